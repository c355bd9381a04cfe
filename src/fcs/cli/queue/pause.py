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
    from difflib import get_close_matches

    from fcs.cli.output import say
    from fcs.cli.queue.acting import act
    from fcs.cli.settings import user_name
    from fcs.database import queues
    from fcs.database.connect import Connection
    from fcs.domain.queues import BY_MAX, WHY_MAX

    who, reason = (by or user_name())[:BY_MAX], why[:WHY_MAX]

    async def pause(db: Connection, name: str) -> None:
        known = await queues.names(db)
        if name not in known:
            near = "".join(f"; did you mean {n!r}?" for n in get_close_matches(name, known, n=1))
            say(common, f"note: no task waits in queue {name!r} and no worker names it{near}")
        await queues.pause(db, name, by=who, why=reason)

    act(common, name, pause, lambda view: f"paused {name}; due tasks that wait: {view.due}")
