"""`fcs task attempts`: the runs of a task."""

import click

from fcs.cli.common import Common, common_options


@click.command("attempts")
@click.argument("id")
@common_options
@click.pass_obj
def command(common: Common, id: str) -> None:
    """List the runs of a task; with -v also their tracebacks and what their bodies logged."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.task.form import attempts_in_full, attempts_table
    from fcs.cli.task.ids import resolve
    from fcs.database import insights
    from fcs.database.connect import Connection
    from fcs.domain.task import Attempt

    async def find(db: Connection) -> list[Attempt]:
        return await insights.list_attempts(db, await resolve(db, id))

    attempts = ask(common, find)
    show = attempts_in_full if common.verbose else attempts_table
    emit(common, attempts, lambda: show(attempts))
