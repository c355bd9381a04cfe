"""`fcs bench`: measures a Postgres and fcs on it, and says what looks slow."""
