"""The child processes of a worker: one for each slot that runs isolated bodies."""
