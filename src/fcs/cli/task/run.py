"""`fcs task run`: a new task, and its end."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import timed
from fcs.cli.task.options import Wish, wish_options


@click.command("run")
@wish_options
@click.option(
    "--wait",
    type=timed,
    metavar="TIME",
    help="Give up after so long (30s, 5m), with exit code 75; the task goes on.",
)
@common_options
@click.pass_obj
def command(common: Common, /, wait: float | None, **wish: Any) -> None:
    """Create a task, wait until it has ended, and print what it returned as JSON.

    Exits with 1 if it ended without success.
    """
    from fcs.cli.output import say
    from fcs.cli.task.creation import create
    from fcs.cli.task.waiting import wait_for_result

    id = create(common, Wish(**wish))
    say(common, f"task {id}")
    wait_for_result(common, id, wait)
