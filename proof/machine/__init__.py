"""A state machine that does at random whatever parts may do, on the real SQL layer."""
