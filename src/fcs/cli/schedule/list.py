"""`fcs schedule list`: schedules, by name."""

import click

from fcs.cli.common import Common, common_options


@click.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=1_000,
    show_default=True,
    help="At most so many.",
)
@common_options
@click.pass_obj
def command(common: Common, limit: int) -> None:
    """List schedules by name."""
    show_list(common, limit)


def show_list(common: Common, limit: int) -> None:
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.schedule.form import document, table
    from fcs.database import schedules

    found = ask(common, lambda db: schedules.list_schedules(db, limit=limit))
    emit(common, [document(view) for view in found], lambda: table(found))
