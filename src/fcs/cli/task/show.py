"""`fcs task show`: everything about one task."""

import click

from fcs.cli.common import Common, common_options


@click.command("show")
@click.argument("id")
@common_options
@click.pass_obj
def command(common: Common, id: str) -> None:
    """Show one task."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.task.form import full_document, lines
    from fcs.cli.task.ids import missing, resolve
    from fcs.database import insights
    from fcs.database.connect import Connection
    from fcs.domain.task import TaskView

    async def find(db: Connection) -> TaskView:
        task = await insights.find_task(db, await resolve(db, id))
        if task is None:  # deleted in between
            raise missing(id)
        return task

    task = ask(common, find)
    emit(common, full_document(task), lambda: lines(task))
