"""What is wrong with how a cluster is led, in words with what to do."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, assert_never

from fcs.domain.cluster import ClusterView, NodeSeen, behind
from fcs.domain.problems import ClusterProblem, in_words
from fcs.domain.topology import Mode, is_candidate

VACANT_AFTER: Final = 10.0
"""Seconds for which nobody leads, though somebody could, before that is worth a word."""

BEHIND_AFTER: Final = 10.0
"""Seconds after a change of mode in which everybody should have heard of it."""

NAMES_SHOWN: Final = 5


def find_leading_problems(
    cluster: ClusterView, nodes: Sequence[NodeSeen], *, now: datetime
) -> Iterator[ClusterProblem]:
    """Nobody who leads, and those who go by another mode. `now` is the database's time."""
    problem = without_leader(cluster)
    if problem is not None:
        yield problem
    yield from _behind(cluster, nodes, now)


def without_leader(cluster: ClusterView) -> ClusterProblem | None:
    """Why nobody hands out tasks; `None` where somebody does, is about to, or need not."""
    if cluster.mode is Mode.HASH or cluster.is_led:
        return None
    vacant = in_words(-cluster.expires_in)
    if not cluster.may_be_led:
        return _nobody_there(cluster, vacant)
    if -cluster.expires_in < VACANT_AFTER:
        return None
    if cluster.leader is None:
        return ClusterProblem(
            "no_leader",
            f"nobody has led for {vacant}, so no task is handed out, though somebody is connected"
            " who could",
            "See the logs of those:  fcs supervise, and workers with --elect.",
        )
    return ClusterProblem(
        "leader_silent",
        f"the leader ({cluster.leader}) is silent: its lease ended {vacant} ago, and nobody has"
        " taken its place, so no task is handed out",
        "See its log, and those of the others who may lead.",
    )


def _nobody_there(cluster: ClusterView, vacant: str) -> ClusterProblem:
    was = cluster.leader
    last = f"; the last to lead, {was}, has been silent for {vacant}" if was else ""
    match cluster.mode:
        case Mode.DEDICATED:
            who = "no `fcs supervise` is connected, and in mode dedicated nobody else may lead"
            remedy = "Start one:  fcs supervise --database URL"
            if cluster.candidates.electable_workers:
                remedy += "; or let the workers with --elect lead:  fcs mode elected"
        case Mode.ELECTED:
            who = "neither `fcs supervise` nor a worker with --elect is connected"
            remedy = "Start one:  fcs supervise --database URL, or fcs work --elect"
        case Mode.HASH:
            raise AssertionError("nobody needs to be there")
        case _:
            assert_never(cluster.mode)
    return ClusterProblem("no_supervisor", f"{who}, so no task is handed out{last}", remedy)


def _behind(
    cluster: ClusterView, nodes: Sequence[NodeSeen], now: datetime
) -> Iterator[ClusterProblem]:
    since = (now - cluster.changed_at).total_seconds()
    if since < BEHIND_AFTER:
        return
    late = [f"worker {node.id}" for node in behind(nodes, cluster.mode)]
    leader = cluster.leader
    if leader and cluster.is_led and not is_candidate(leader.part, cluster.mode):
        late.insert(0, f"the leader ({leader})")
    if late:
        named = ", ".join(late[:NAMES_SHOWN]) + (", …" if len(late) > NAMES_SHOWN else "")
        yield ClusterProblem(
            "old_mode",
            f"the mode has been {cluster.mode} for {in_words(since)}, and {len(late)} still"
            f" {'goes' if len(late) == 1 else 'go'} by an old one: {named}",
            "They hear of it by themselves within seconds: see their logs, and start anew those"
            " that do not.",
        )
