"""Floor 1: the only place that knows Postgres: statements, migrations, mail."""
