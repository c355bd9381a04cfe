"""A child process that runs bodies for a worker; it knows nothing of the database."""
