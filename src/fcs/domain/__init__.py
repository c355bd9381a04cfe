"""Floor 0: what things are and what to decide. No IO, no clock, no hidden randomness."""
