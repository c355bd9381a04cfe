"""One process: which parts run in it, with the real clock, entropy and signals handed in."""
