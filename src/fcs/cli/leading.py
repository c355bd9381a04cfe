"""How the cluster is led, as the verbs write it."""

from collections.abc import Sequence
from typing import Final

from fcs.cli.common import Common
from fcs.cli.output import paint, pairs, say
from fcs.cli.text import moment, printable
from fcs.database.topology import Change, ClusterReport
from fcs.domain.cluster import Candidates, ClusterView, NodeSeen, behind
from fcs.domain.problems import ClusterProblem, in_words
from fcs.domain.topology import Mode

NODES_SHOWN: Final = 5

_WHAT_FOLLOWS: Final = {
    Mode.DEDICATED: "One of the processes of `fcs supervise` leads, the others stand by; workers"
    " do not lead.",
    Mode.ELECTED: "One of the processes of `fcs supervise` and of the workers with --elect leads;"
    " the others stand by.",
    Mode.HASH: "Nobody leads: each worker hands out to itself. Priorities count within its share,"
    " and no queue can be limited.",
}


def show(common: Common, report: ClusterReport) -> str:
    """Everything about how the cluster is led."""
    told = [*lines(report, report.nodes), ("since", moment(report.changed_at))]
    return f"{pairs(told)}\n\n{problems(common, report.problems)}"


def tell(change: Change) -> str:
    """What was, what is, and what follows from it."""
    before, after = change.before, change.after
    said = [
        f"the {name} was {was}, and is {now} now"
        for name, was, now in zip(after._fields, before, after, strict=True)
        if was != now
    ]
    same = f"nothing has changed: the mode is {after.mode}, and the strategy {after.strategy}"
    return "\n".join([*(said or [same]), _WHAT_FOLLOWS[after.mode]])


def warn(common: Common, report: ClusterReport) -> None:
    """Talk of what is wrong with how it is led now."""
    for problem in report.problems:
        say(common, f"warning: {printable(problem.message)}\n         {printable(problem.hint)}")


def problems(common: Common, found: Sequence[ClusterProblem]) -> str:
    """What is wrong, each with what to do."""
    if not found:
        return paint(common, "All is well.", "green")
    return "\n".join(
        f"{paint(common, 'problem:', 'red')} {printable(problem.message)}\n"
        f"         {printable(problem.hint)}"
        for problem in found
    )


def lines(cluster: ClusterView, nodes: Sequence[NodeSeen]) -> list[tuple[str, object]]:
    """The mode, who leads, who else could, and who has not taken the mode on yet."""
    return [
        ("mode", _mode(cluster)),
        ("leader", _leader(cluster)),
        ("candidates", _candidates(cluster.candidates)),
        ("old mode", _behind(nodes, cluster.mode)),
    ]


def _mode(cluster: ClusterView) -> str:
    if cluster.mode is Mode.HASH:
        return f"{cluster.mode}: workers hand out to themselves"
    return f"{cluster.mode}, strategy {cluster.strategy}"


def _leader(cluster: ClusterView) -> str:
    leader, term = cluster.leader, f"term {cluster.term}"
    if leader and cluster.is_led:
        return f"{leader}, {term} since {moment(leader.since)}"
    if cluster.holder:
        return f"{leader}, {term}, until it hears of the mode"
    if leader and cluster.mode is not Mode.HASH:
        return f"nobody; {leader}, held {term} until {in_words(-cluster.expires_in)} ago"
    return "nobody"


def _candidates(connected: Candidates) -> str:
    worker = "worker" if connected.electable_workers == 1 else "workers"
    counts = {
        "fcs supervise": connected.supervisors,
        f"{worker} with --elect": connected.electable_workers,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "none seen"


def _behind(nodes: Sequence[NodeSeen], mode: Mode) -> str:
    """Empty when all go by the mode of the cluster."""
    late = behind(nodes, mode)
    named = ", ".join(f"{node.id} ({node.follows})" for node in late[:NODES_SHOWN])
    more = f" and {len(late) - NODES_SHOWN} more" if len(late) > NODES_SHOWN else ""
    return named and f"{named}{more}"
