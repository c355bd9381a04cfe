"""The supervisor: assigns due tasks to live workers with a free slot, and reaps the lost."""
