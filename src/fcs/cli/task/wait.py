"""`fcs task wait`: until a task has ended."""

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import timed


@click.command("wait")
@click.argument("id")
@click.option(
    "--timeout",
    type=timed,
    metavar="TIME",
    help="Give up after so long (30s, 5m), with exit code 75.",
)
@common_options
@click.pass_obj
def command(common: Common, id: str, timeout: float | None) -> None:
    """Wait until a task has ended, and show it. Exits with 1 if it ended without success."""
    from fcs.cli.database import ask
    from fcs.cli.task.ids import resolve
    from fcs.cli.task.waiting import wait_and_show

    wait_and_show(common, ask(common, lambda db: resolve(db, id)), timeout)
