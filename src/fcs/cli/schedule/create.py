"""`fcs schedule create`: a new schedule."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.task.options import Wish, draft_options


@click.command("create")
@click.argument("name")
@click.argument("cron")
@draft_options
@click.option(
    "--tz", metavar="ZONE", default="UTC", show_default=True, help="By whose clocks: Europe/Warsaw."
)
@click.option(
    "--catch-up",
    type=click.Choice(["skip", "once", "all"]),
    default="skip",
    show_default=True,
    help="What becomes of fires that were missed.",
)
@common_options
@click.pass_obj
def command(common: Common, /, name: str, cron: str, tz: str, catch_up: str, **wish: Any) -> None:
    """Create a schedule of tasks of a type.

    `fcs schedule create tidy "0 3 * * *" foo --tz Europe/Warsaw`. CRON has five fields: minute,
    hour, day of the month, month, day of the week.
    """
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.schedule.form import document, lines
    from fcs.cli.task.creation import draft
    from fcs.database import timetable
    from fcs.database.connect import Connection
    from fcs.domain.cron import Rule
    from fcs.domain.schedule import CatchUp, ScheduleView, check_name, defined

    check_name(name)
    Rule(cron, tz)
    creation = draft(common, Wish(**wish, at=None, in_=None, key=None))

    async def create(db: Connection) -> ScheduleView:
        definition = defined(cron, tz, CatchUp(catch_up), await creation.new_task(db))
        return await timetable.create(db, name, definition)

    view = ask(common, create)
    emit(common, document(view), lambda: lines(view))
