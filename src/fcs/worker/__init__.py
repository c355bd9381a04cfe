"""The worker: begins tasks by an atomic compare-and-set, runs their bodies, records the end."""
