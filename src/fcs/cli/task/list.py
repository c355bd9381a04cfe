"""`fcs task list`: tasks, the newest first."""

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import queue as queue_name

STATUSES = ["pending", "dispatched", "running", "succeeded", "failed", "interrupted", "cancelled"]


@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only tasks in this status.")
@click.option("--type", "ty", metavar="TYPE", help="Only tasks of this type.")
@click.option("--queue", type=queue_name, metavar="NAME", help="Only tasks in this queue.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="At most so many.",
)
@common_options
@click.pass_obj
def command(
    common: Common, status: str | None, ty: str | None, queue: str | None, limit: int
) -> None:
    """List tasks, the newest first."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.task.form import document, table
    from fcs.database import insights
    from fcs.domain.task import Status

    tasks = ask(
        common,
        lambda db: insights.list_tasks(
            db, limit=limit, status=Status(status) if status else None, ty=ty, queue=queue
        ),
    )
    emit(common, [document(task) for task in tasks], lambda: table(tasks))
