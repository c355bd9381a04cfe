"""Acts on how a cluster is led, and on what only a leader can keep: the limits of queues.

Each may be sent twice.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from fcs.database import cluster, insights, queues
from fcs.database.cluster import Led
from fcs.database.connect import Connection
from fcs.domain.cluster import ClusterView
from fcs.domain.errors import LimitsNeedLeader
from fcs.domain.ids import WorkerId
from fcs.domain.leading_problems import find_leading_problems
from fcs.domain.problems import ClusterProblem
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode

NAMES_SHOWN = 5


class Change(NamedTuple):
    before: Led
    after: Led


class NodeView(msgspec.Struct, frozen=True):
    """A worker that is there, and the mode by which it goes as of its last beat."""

    id: WorkerId
    state: str
    host: str
    pid: int
    follows: Mode | None


class ClusterReport(ClusterView, frozen=True):
    """How the cluster is led, who goes along, and what is wrong with that."""

    nodes: list[NodeView]
    problems: list[ClusterProblem]


async def look(db: Connection) -> ClusterReport:
    """Look at everything that there is to how the cluster is led."""
    view = await cluster.show(db)
    nodes = [
        NodeView(worker.id, worker.state, worker.host, worker.pid, worker.follows)
        for worker in await insights.list_workers(db)
        if worker.state in ("live", "draining")
    ]
    problems = list(find_leading_problems(view, nodes))
    return ClusterReport(**msgspec.structs.asdict(view), nodes=nodes, problems=problems)


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
