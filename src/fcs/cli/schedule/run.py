"""`fcs schedule run`: a task of a schedule, now."""

import click

from fcs.cli.common import Common, common_options


@click.command("run")
@click.argument("name")
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Create a task of a schedule now, beside its rule, and print its id."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.client.ids import new_task_id
    from fcs.database import timetable

    id = new_task_id()
    ask(common, lambda db: timetable.run_now(db, name, id))
    emit(common, {"id": id}, lambda: str(id))
