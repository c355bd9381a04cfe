"""`fcs task run`: a new task, and its end."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import stretch
from fcs.cli.task.options import Wish, wish_options


@click.command("run")
@wish_options
@click.option(
    "--timeout",
    type=stretch,
    metavar="TIME",
    help="Give up after so long (30s, 5m), with exit code 75.",
)
@common_options
@click.pass_obj
def command(common: Common, /, timeout: float | None, **wish: Any) -> None:
    """Create a task and wait until it has ended. Exits with 1 if it ended without success."""
    from fcs.cli.output import say
    from fcs.cli.task.creation import create
    from fcs.cli.task.waiting import wait_and_show

    id = create(common, Wish(**wish))
    say(common, f"task {id}")
    wait_and_show(common, id, timeout)
