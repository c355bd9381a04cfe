"""`fcs schedule resume`: a schedule goes on."""

import click

from fcs.cli.common import Common, common_options


@click.command("resume")
@click.argument("name")
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Let a paused schedule go on, from now."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.schedule.form import document
    from fcs.cli.text import moment
    from fcs.database import timetable

    view = ask(common, lambda db: timetable.resume(db, name))
    emit(common, document(view), lambda: f"resumed {name}; next fire {moment(view.next_fire_at)}")
