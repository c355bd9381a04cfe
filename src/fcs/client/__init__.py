"""The Python door: `App`, typed task functions, creating tasks and waiting for them."""
