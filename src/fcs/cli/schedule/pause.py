"""`fcs schedule pause`: a schedule rests."""

import click

from fcs.cli.common import Common, common_options


@click.command("pause")
@click.argument("name")
@click.option("--by", metavar="WHO", help="Who wants it; else the name of the user.")
@click.option("--why", metavar="TEXT", default="", help="Why, for others to see.")
@common_options
@click.pass_obj
def command(common: Common, name: str, by: str | None, why: str) -> None:
    """Let a schedule rest until it is resumed. What it would fire meanwhile is left out."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.schedule.form import document
    from fcs.cli.settings import user_name
    from fcs.database import timetable

    who = (by or user_name())[:200]
    view = ask(common, lambda db: timetable.pause(db, name, by=who, why=why[:1_000]))
    emit(common, document(view), lambda: f"paused {name}")
