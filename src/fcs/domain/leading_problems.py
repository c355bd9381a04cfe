"""What is wrong with how a cluster is led, in words with what to do."""

from collections.abc import Iterator, Sequence
from typing import Final

from fcs.domain.cluster import ClusterView, NodeSeen, behind
from fcs.domain.problems import ClusterProblem, in_words
from fcs.domain.topology import Mode

VACANT_AFTER: Final = 10.0
"""Seconds for which nobody leads, though somebody could, before that is worth a word."""

BEHIND_AFTER: Final = 10.0
"""Seconds after a change of mode in which everybody should have heard of it."""

NAMES_SHOWN: Final = 5


def find_leading_problems(
    cluster: ClusterView, nodes: Sequence[NodeSeen]
) -> Iterator[ClusterProblem]:
    """Nobody who leads, and those who go by another mode."""
    problem = without_leader(cluster)
    if problem is not None:
        yield problem
    yield from _behind(cluster, nodes)


def without_leader(cluster: ClusterView) -> ClusterProblem | None:
    """Why nobody hands out tasks; `None` where somebody does, is about to, or need not."""
    if cluster.mode is Mode.HASH or cluster.is_led:
        return None
    if not cluster.may_be_led:
        return _nobody_there(cluster)
    if cluster.vacant_for < VACANT_AFTER:
        return None
    if cluster.leader is None:
        return ClusterProblem(
            "no_leader",
            f"nobody has led for {in_words(cluster.vacant_for)}, so no task is handed out, though"
            " somebody is connected who could",
            "See the logs of those:  fcs supervise, and workers with --elect.",
        )
    return ClusterProblem(
        "leader_silent",
        f"the leader ({cluster.leader}) is silent: its lease ended {in_words(-cluster.expires_in)}"
        " ago, and nobody has taken its place, so no task is handed out",
        "See its log, and those of the others who may lead.",
    )


def _nobody_there(cluster: ClusterView) -> ClusterProblem:
    if cluster.mode is Mode.DEDICATED:
        who = "no `fcs supervise` is connected, and in mode dedicated nobody else may lead"
        remedy = "Start one:  fcs supervise --database URL"
        if cluster.candidates.electable_workers:
            remedy += "; or let the workers with --elect lead:  fcs mode elected"
    else:
        who = "neither `fcs supervise` nor a worker with --elect is connected"
        remedy = "Start one:  fcs supervise --database URL, or fcs work --elect"
    return ClusterProblem(
        "no_supervisor", f"{who}, so no task is handed out{_last(cluster)}", remedy
    )


def _last(cluster: ClusterView) -> str:
    """Who led last, unless that was given up, or is about to be."""
    if cluster.leader is None or cluster.holder:
        return ""
    silent = in_words(-cluster.expires_in)
    return f"; the last to lead, {cluster.leader}, has been silent for {silent}"


def _behind(cluster: ClusterView, nodes: Sequence[NodeSeen]) -> Iterator[ClusterProblem]:
    if cluster.mode_for < BEHIND_AFTER:
        return
    late = [f"worker {node.id}" for node in behind(nodes, cluster.mode)]
    if cluster.holder and not cluster.is_led:
        late.insert(0, f"the leader ({cluster.holder})")
    if late:
        named = ", ".join(late[:NAMES_SHOWN]) + (", …" if len(late) > NAMES_SHOWN else "")
        yield ClusterProblem(
            "old_mode",
            f"the mode has been {cluster.mode} for {in_words(cluster.mode_for)}, and {len(late)}"
            f" still {'goes' if len(late) == 1 else 'go'} by an old one: {named}",
            "They hear of it by themselves within seconds: see their logs, and start anew those"
            " that do not.",
        )
