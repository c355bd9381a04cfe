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
    from fcs.cli.task.form import attempts_table, full_document, lines
    from fcs.cli.task.ids import missing, resolve
    from fcs.database import insights
    from fcs.database.connect import Connection
    from fcs.domain.task import Attempt, TaskView

    async def find(db: Connection) -> tuple[TaskView, list[Attempt]]:
        task = await insights.find_task(db, await resolve(db, id))
        if task is None:  # deleted in between
            raise missing(id)
        return task, await insights.list_attempts(db, task.id)

    task, attempts = ask(common, find)
    runs = f"\n\n{attempts_table(attempts)}" if len(attempts) > 1 else ""
    emit(common, full_document(task), lambda: lines(task) + runs)
