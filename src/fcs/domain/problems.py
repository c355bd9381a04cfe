"""What is wrong with a cluster, in words, each with what to do: drawn from what a glance shows.

The glance is made of what waits, of the workers' rows, and of how the cluster is led.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Protocol
from uuid import UUID

import msgspec

from fcs.domain.cluster import ClusterView, reaper_in
from fcs.domain.facts import Lane
from fcs.domain.topology import Mode

LATE_AFTER = 30.0
"""Seconds that a due task may wait before that is worth a word."""

SILENT_SHARE = 0.6
"""The share of its lease after which a silent worker is worth a word."""


class ClusterProblem(msgspec.Struct, frozen=True):
    code: str
    message: str
    hint: str


class WaitingLane(Protocol):
    """What waits in a lane, as far as it was counted."""

    @property
    def lane(self) -> Lane: ...
    @property
    def due(self) -> int: ...
    @property
    def scheduled(self) -> int: ...
    @property
    def oldest_due_at(self) -> datetime | None: ...


class WorkerSeen(Protocol):
    """A worker's row; `silent` is in seconds. No queues means every queue."""

    @property
    def id(self) -> UUID: ...
    @property
    def state(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def slots_total(self) -> int: ...
    @property
    def slots_busy(self) -> int: ...
    @property
    def queues(self) -> Sequence[str]: ...
    @property
    def types(self) -> Sequence[str]: ...
    @property
    def silent(self) -> float: ...


class QueueSeen(Protocol):
    """A queue that somebody has paused or limited."""

    @property
    def name(self) -> str: ...
    @property
    def due(self) -> int: ...
    @property
    def paused_at(self) -> datetime | None: ...
    @property
    def paused_by(self) -> str: ...
    @property
    def paused_why(self) -> str: ...


def find_problems(
    waiting: Sequence[WaitingLane],
    workers: Sequence[WorkerSeen],
    *,
    cluster: ClusterView,
    now: datetime,
    lease: float,
    count_max: int,
    queues: Sequence[QueueSeen],
) -> list[ClusterProblem]:
    """Everything that is wrong, the gravest first.

    `now` is the database's time. A count of `count_max` means that many or more.
    """
    live = [worker for worker in workers if worker.state == "live"]
    problems = [*_without_worker(live)]
    if live:
        problems += _unknown_types(waiting, live, count_max)
        problems += _unserved_queues(waiting, live, count_max)
        # Who waits in a paused or limited queue waits because somebody wanted it so.
        meant = {queue.name for queue in queues}
        others = [head for head in waiting if head.lane.queue not in meant]
        problems += _late(others, live, cluster.mode, now) if cluster.is_handed_out else []
    problems += _paused(queues, now, count_max)
    problems += _silent(workers, lease, reaper_in(cluster.mode))
    problems += _lost(workers)
    return problems


def _without_worker(live: Sequence[WorkerSeen]) -> Iterator[ClusterProblem]:
    if not live:
        yield ClusterProblem(
            "no_worker",
            "no worker is live, so no task is run",
            "Start one:  fcs work --database URL --app module:app",
        )


def _unknown_types(
    waiting: Sequence[WaitingLane], live: Sequence[WorkerSeen], count_max: int
) -> Iterator[ClusterProblem]:
    known = types_of(live)
    counts: Counter[str] = Counter()
    for head in waiting:
        if head.lane.ty not in known:
            counts[head.lane.ty] += head.due + head.scheduled
    for ty, count in sorted(counts.items()):
        yield ClusterProblem(
            "unknown_type",
            f"{_tasks(count, count_max)} whose type {ty!r} no live worker knows",
            did_you_mean(ty, known)
            + "Start a worker with the --app that has this type; one that runs since before the"
            " type was written has to be started anew.",
        )


def _unserved_queues(
    waiting: Sequence[WaitingLane], live: Sequence[WorkerSeen], count_max: int
) -> Iterator[ClusterProblem]:
    known = types_of(live)
    counts: Counter[tuple[str, str]] = Counter()
    for head in waiting:
        queue, ty = head.lane.queue, head.lane.ty
        if ty in known and not able(head.lane, live):
            counts[queue, ty] += head.due + head.scheduled
    for (queue, ty), count in sorted(counts.items()):
        yield ClusterProblem(
            "unserved_queue",
            f"{_tasks(count, count_max)} in queue {queue!r}, which no live worker that knows"
            f" type {ty!r} serves",
            did_you_mean(queue, queues_of(live))
            + f"Start a worker with --queue {queue}, or without --queue: it serves every queue.",
        )


def _late(
    waiting: Sequence[WaitingLane], live: Sequence[WorkerSeen], mode: Mode, now: datetime
) -> Iterator[ClusterProblem]:
    heads = [head for head in waiting if head.oldest_due_at and able(head.lane, live)]
    oldest = min(heads, key=_oldest_due_at, default=None)
    if oldest is None:
        return
    late = (now - _oldest_due_at(oldest)).total_seconds()
    if late < LATE_AFTER:
        return
    capable = able(oldest.lane, live)
    slots = sum(worker.slots_total for worker in capable)
    free = slots - sum(worker.slots_busy for worker in capable)
    yield ClusterProblem(
        "late",
        f"a task of type {oldest.lane.ty!r} in queue {oldest.lane.queue!r} has been due for"
        f" {in_words(late)}",
        f"{free} of {slots} slots for it look free: see {log_in(mode)}, and `fcs doctor`."
        if free > 0
        else f"All {slots} slots for it are busy: start more workers, or give them more --slots.",
    )


def _paused(queues: Sequence[QueueSeen], now: datetime, count_max: int) -> Iterator[ClusterProblem]:
    for queue in queues:
        if queue.paused_at is None or not queue.due:
            continue
        since = in_words((now - queue.paused_at).total_seconds())
        by = f" by {queue.paused_by}" if queue.paused_by else ""
        why = f" ({queue.paused_why})" if queue.paused_why else ""
        yield ClusterProblem(
            "paused_queue",
            f"{_tasks(queue.due, count_max)} in queue {queue.name!r}, which was paused{by} {since}"
            f" ago{why}",
            f"When it may go on:  fcs queue resume {queue.name}",
        )


def _silent(workers: Sequence[WorkerSeen], lease: float, reaper: str) -> Iterator[ClusterProblem]:
    for worker in workers:
        if worker.state not in ("live", "draining") or worker.silent < SILENT_SHARE * lease:
            continue
        yield ClusterProblem(
            "silent_worker",
            f"worker {worker.id} has been silent for {in_words(worker.silent)};"
            f" its lease is {in_words(lease)}",
            f"See whether it still runs on {worker.host or 'its machine'}; {reaper} will declare it"
            " lost.",
        )


def _lost(workers: Sequence[WorkerSeen]) -> Iterator[ClusterProblem]:
    for worker in workers:
        if worker.state == "lost":
            yield ClusterProblem(
                "lost_worker",
                f"worker {worker.id} was lost; its last word was {in_words(worker.silent)} ago",
                f"See its log on {worker.host or 'its machine'}, and"
                " `fcs task list --status interrupted` for what it was running.",
            )


def log_in(mode: Mode) -> str:
    """Where those who hand out tasks say how it goes."""
    return "the workers' logs" if mode is Mode.HASH else "the leader's log"


def in_words(seconds: float) -> str:
    """A stretch of time as people say it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _tasks(count: int, count_max: int) -> str:
    if count >= count_max:
        return f"{count_max:,} tasks or more wait"
    return "1 task waits" if count == 1 else f"{count:,} tasks wait"


def able(lane: Lane, live: Sequence[WorkerSeen]) -> list[WorkerSeen]:
    return [
        worker
        for worker in live
        if lane.ty in worker.types and (not worker.queues or lane.queue in worker.queues)
    ]


def types_of(live: Sequence[WorkerSeen]) -> list[str]:
    return sorted({ty for worker in live for ty in worker.types})


def queues_of(live: Sequence[WorkerSeen]) -> list[str]:
    return sorted({queue for worker in live for queue in worker.queues})


def did_you_mean(name: str, known: Sequence[str]) -> str:
    return "".join(f"Did you mean {near!r}? " for near in get_close_matches(name[:200], known, n=1))


def _oldest_due_at(head: WaitingLane) -> datetime:
    assert head.oldest_due_at is not None
    return head.oldest_due_at
