"""`fcs schedule show`: everything about one schedule."""

import click

from fcs.cli.common import Common, common_options


@click.command("show")
@click.argument("name")
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Show one schedule."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.schedule.form import document, lines
    from fcs.database import timetable

    view = ask(common, lambda db: timetable.find(db, name))
    emit(common, document(view), lambda: lines(view))
