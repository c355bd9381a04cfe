"""Acts on how a cluster is led, and on what only a leader can keep: the limits of queues.

Each may be sent twice.
"""

from collections.abc import Mapping
from typing import NamedTuple

from fcs.database import cluster, queues
from fcs.database.cluster import Led
from fcs.database.connect import Connection
from fcs.domain.errors import LimitsNeedLeader
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode

NAMES_SHOWN = 5


class Change(NamedTuple):
    before: Led
    after: Led


async def change(
    db: Connection, *, mode: Mode | None = None, strategy: Strategy | None = None
) -> Change:
    """Let the cluster be led otherwise. Raises `LimitsNeedLeader`."""
    async with db.transaction():
        before = await cluster.hold(db)
        after = await cluster.change(db, mode=mode, strategy=strategy)
        if after is None:
            raise await _refused(db)
    return Change(before, after)


async def set_limits(db: Connection, queue: str, changes: Mapping[str, float | None]) -> None:
    """Change some limits of a queue. Raises `LimitsNeedLeader`."""
    if not await queues.set_limits(db, queue, changes):
        raise LimitsNeedLeader(
            f"queue {queue!r} cannot be limited: in mode hash nobody hands out the tasks of all"
            " workers, so nobody could keep a limit",
            hint="Let somebody lead first:  fcs mode elected  (or dedicated). A queue can be paused"
            " in every mode.",
        )


async def _refused(db: Connection) -> LimitsNeedLeader:
    limited = [rules.queue for rules in await queues.rules(db) if rules.is_limited]
    named = ", ".join(limited[:NAMES_SHOWN]) + (", …" if len(limited) > NAMES_SHOWN else "")
    return LimitsNeedLeader(
        f"the mode cannot be hash while queues have limits, which nobody would keep: {named}",
        hint=f"Take them away first:  fcs queue set {limited[0]} --running-max none --rate none"
        " --key-running-max none --key-rate none",
    )
