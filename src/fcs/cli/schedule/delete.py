"""`fcs schedule delete`: a schedule, gone."""

import click

from fcs.cli.common import Common, common_options


@click.command("delete")
@click.argument("name")
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Delete a schedule that no live worker declares. Its tasks stay."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.database import timetable

    ask(common, lambda db: timetable.remove(db, name))
    emit(common, {"name": name, "deleted": True}, lambda: f"deleted {name}")
