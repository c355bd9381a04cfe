"""`fcs schedule run`: a task of a schedule, now."""

import click

from fcs.cli.common import Common, common_options


@click.command("run")
@click.argument("name")
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Create a task of a schedule now, beside its rule, and print its id."""
    import os

    from fcs.cli.database import run_async
    from fcs.cli.output import emit
    from fcs.cli.settings import database_url
    from fcs.cli.surely import create_surely
    from fcs.client.ids import new_task_id
    from fcs.database import timetable

    id, url = new_task_id(), database_url(common, os.environ)
    run_async(create_surely(url, lambda db: timetable.run_now(db, name, id), [id]))
    emit(common, {"id": id}, lambda: str(id))
