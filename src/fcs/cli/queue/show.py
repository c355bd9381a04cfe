"""`fcs queue show`: one queue."""

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import queue


@click.command("show")
@click.argument("name", type=queue)
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Show one queue: what waits in it, its limits, and whether it is paused."""
    from fcs.cli.queue.acting import act, nothing
    from fcs.cli.queue.form import lines

    act(common, name, nothing, lines)
