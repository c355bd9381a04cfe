"""`fcs queue pause`: nothing more of a queue is handed out."""

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import queue


@click.command("pause")
@click.argument("name", type=queue)
@click.option("--by", metavar="WHO", help="Who wants it; else the name of the user.")
@click.option("--why", metavar="TEXT", default="", help="Why, for others to see.")
@common_options
@click.pass_obj
def command(common: Common, name: str, by: str | None, why: str) -> None:
    """Hand out no more tasks of a queue. What runs goes on, and what is on its way begins."""
    from getpass import getuser

    from fcs.cli.queue.acting import act
    from fcs.database import queues
    from fcs.domain.queues import BY_MAX, WHY_MAX

    who, reason = (by or getuser())[:BY_MAX], why[:WHY_MAX]
    act(
        common,
        name,
        lambda db, name: queues.pause(db, name, by=who, why=reason),
        lambda view: f"paused {name}; {view.due} due tasks wait",
    )
