"""How the cluster is led, as the verbs write it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fcs.cli.text import moment
from fcs.database.insights import WorkerView
from fcs.domain.cluster import Candidates, ClusterView, behind
from fcs.domain.problems import in_words
from fcs.domain.topology import Mode

WORKERS_SHOWN: Final = 5


def lines(
    cluster: ClusterView, workers: Sequence[WorkerView], now: datetime
) -> list[tuple[str, object]]:
    """The mode, who leads, who else could, and who has not taken the mode on yet."""
    return [
        ("mode", _mode(cluster)),
        ("leader", _leader(cluster)),
        ("candidates", _candidates(cluster.candidates)),
        ("old mode", _behind(cluster, workers, now)),
    ]


def _mode(cluster: ClusterView) -> str:
    if cluster.mode is Mode.HASH:
        return f"{cluster.mode}: workers hand out to themselves"
    return f"{cluster.mode}, strategy {cluster.strategy}"


def _leader(cluster: ClusterView) -> str:
    leader, term = cluster.leader, f"term {cluster.term}"
    if leader is None or (cluster.mode is Mode.HASH and not cluster.is_led):
        return "nobody"
    if not cluster.is_led:
        return f"nobody; {leader}, held {term} until {in_words(-cluster.expires_in)} ago"
    return f"{leader}, {term} since {moment(leader.since)}"


def _candidates(connected: Candidates) -> str:
    counts = {
        "fcs supervise": connected.supervisors,
        "workers with --elect": connected.electable_workers,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "none seen"


def _behind(cluster: ClusterView, workers: Sequence[WorkerView], now: datetime) -> str:
    """Empty when all go by the mode of the cluster."""
    late = behind(workers, cluster.mode)
    if not late:
        return ""
    named = ", ".join(f"{worker.id} ({worker.follows})" for worker in late[:WORKERS_SHOWN])
    more = ", …" if len(late) > WORKERS_SHOWN else ""
    since = in_words((now - cluster.changed_at).total_seconds())
    count = "1 worker" if len(late) == 1 else f"{len(late)} workers"
    return f"{count}, {since} after the change: {named}{more}"
