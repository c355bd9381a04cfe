"""`fcs queue resume`: the tasks of a queue are handed out again."""

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import queue


@click.command("resume")
@click.argument("name", type=queue)
@common_options
@click.pass_obj
def command(common: Common, name: str) -> None:
    """Hand out the tasks of a queue again."""
    from fcs.cli.queue.acting import act
    from fcs.database import queues

    act(common, name, queues.resume, lambda view: f"resumed {name}; {view.due} tasks are due")
