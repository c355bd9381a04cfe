"""`fcs init`: the schema, created or upgraded."""

import os

import click

from fcs.cli.common import Common, common_options


@click.command("init")
@click.option("--check", is_flag=True, help="Change nothing; exit with 3 if something is missing.")
@common_options
@click.pass_obj
def command(common: Common, check: bool) -> None:
    """Create the tables in a database, or upgrade them.

    Everything lives in the schema `fcs`. Safe to run twice, and from two places at once.
    """
    from fcs.cli.database import ask, run_async
    from fcs.cli.output import emit
    from fcs.cli.settings import database_url
    from fcs.database.connect import Connection
    from fcs.database.migrate import migrate, schema_version

    async def nothing(_: Connection) -> list[str]:
        return []

    applied = (
        ask(common, nothing) if check else run_async(migrate(database_url(common, os.environ)))
    )
    emit(
        common,
        {"applied": applied, "schema": schema_version()},
        lambda: (
            "\n".join(f"applied {name}" for name in applied)
            or f"up to date (schema {schema_version()})"
        ),
    )
