"""Deterministic simulation: fcs' own decisions under virtual clocks, with seeded faults."""
