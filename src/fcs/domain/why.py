"""Why a task is where it is: one sentence of cause, and what would change it.

Facts go in, causes come out, the decisive one first. What a cause says is as true as the rows
were when they were read.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from fcs.domain.cluster import ClusterView, reaper_in
from fcs.domain.facts import Lane
from fcs.domain.ids import TaskId
from fcs.domain.leading_problems import without_leader
from fcs.domain.problems import (
    LATE_AFTER,
    ClusterProblem,
    WorkerSeen,
    able,
    did_you_mean,
    in_words,
    log_in,
    queues_of,
    types_of,
)
from fcs.domain.task import AttemptOutcome, Status, StopLevel, TaskView

SILENT_AFTER: Final = 3.0
"""Seconds without a beat after which a worker is worth a word."""

IDS_SHOWN: Final = 5


class SomeTasks(msgspec.Struct, frozen=True):
    """How many tasks, and a few of them."""

    count: int = 0
    ids: Sequence[TaskId] = ()


class QueueSeen(msgspec.Struct, frozen=True):
    """What somebody has laid down for a queue, and what workers hold of it."""

    paused_at: datetime | None = None
    paused_by: str = ""
    paused_why: str = ""
    running_max: int | None = None
    rate: float | None = None
    key_running_max: int | None = None
    key_rate: float | None = None
    held: SomeTasks = SomeTasks()
    key_held: SomeTasks = SomeTasks()


class Around(msgspec.Struct, frozen=True):
    """What there is around a task. `now` is the database's time; `ahead` counts the tasks of the
    same lane that are due before it; `last_outcome` is that of its last run; `needs` are the tasks
    that have to end before it; `hold` keeps everything from being handed out and begun."""

    now: datetime
    last_outcome: AttemptOutcome | None
    ahead: int
    needs: SomeTasks
    queue: QueueSeen
    workers: Sequence[WorkerSeen]
    cluster: ClusterView
    hold: ClusterProblem | None = None


class Cause(msgspec.Struct, frozen=True):
    """`cause` is a sentence, and `remedy` says what would change it; `code` is for programs."""

    code: str
    cause: str
    remedy: str
    details: dict[str, Any] = {}


class Why(msgspec.Struct, frozen=True):
    """The decisive cause, and what else would still hold the task back without it."""

    code: str
    cause: str
    remedy: str
    details: dict[str, Any]
    also: list[Cause]


def explain(task: TaskView, around: Around) -> Why:
    """Why a task is not (yet, or any more) running; or that it is."""
    first, *others = _causes(task, around)
    return Why(first.code, first.cause, first.remedy, first.details, others)


def _causes(task: TaskView, around: Around) -> Iterator[Cause]:
    match task.status:
        case Status.PENDING:
            yield from _waits(task, around)
        case Status.DISPATCHED:
            yield from _on_hold(around)
            yield _is_on_its_way(task, around)
        case Status.RUNNING:
            yield from _runs(task, around)
        case _:
            yield _has_ended(task)


# --- pending ---


def _waits(task: TaskView, around: Around) -> Iterator[Cause]:
    found = [
        *_needing(around),
        *_not_due(task, around),
        *_paused(task, around),
        *_on_hold(around),
        *_without_leader(around),
        *_without_worker(task, around),
        *_limited(task, around),
    ]
    # A free slot and a token are only waited for when nothing else is in the way.
    yield from found or [_waits_for_its_turn(task, around)]


def _needing(around: Around) -> Iterator[Cause]:
    needs = around.needs
    if needs.count:
        tasks = "another task" if needs.count == 1 else f"{needs.count:,} other tasks"
        yield Cause(
            "dependencies",
            f"it waits for the end of {tasks}: {_named(needs)}",
            f"See what those wait for:  fcs why {needs.ids[0] if needs.ids else 'ID'}",
            {"open": needs.count, "needs": list(needs.ids)},
        )


def _not_due(task: TaskView, around: Around) -> Iterator[Cause]:
    if task.due_at is None or task.due_at <= around.now:
        return
    due = f"{_moment(task.due_at)} (in {in_words((task.due_at - around.now).total_seconds())})"
    details: dict[str, Any] = {"due_at": task.due_at}
    if not task.attempt:
        yield Cause(
            "scheduled", f"it is scheduled for {due}", "It starts then, and never before.", details
        )
    elif around.last_outcome is AttemptOutcome.SNOOZED:
        said = f": {task.error}" if task.error else ""
        yield Cause(
            "snoozed", f"its body asked to be run again at {due}{said}",
            "It starts then; an attempt is not used up by that.", details,
        )  # fmt: skip
    else:
        yield Cause(
            "retry",
            f"attempt {task.attempt} of {task.max_attempts} came to nothing"
            f" ({task.error or 'no reason was given'}); the next is due at {due}",
            f"See what went wrong:  fcs task attempts {task.id} -v",
            details | {"attempt": task.attempt, "max_attempts": task.max_attempts},
        )


def _paused(task: TaskView, around: Around) -> Iterator[Cause]:
    queue = around.queue
    if queue.paused_at is None:
        return
    since = f"since {_moment(queue.paused_at)}"
    by = f" by {queue.paused_by}" if queue.paused_by else ""
    why = f": {queue.paused_why}" if queue.paused_why else ""
    yield Cause(
        "queue_paused",
        f"queue {task.queue!r} is paused{by} {since}{why}",
        f"Resume it:  fcs queue resume {task.queue}",
        {"queue": task.queue, "paused_at": queue.paused_at, "paused_by": queue.paused_by,
         "paused_why": queue.paused_why},
    )  # fmt: skip


def _on_hold(around: Around) -> Iterator[Cause]:
    if hold := around.hold:
        yield Cause(hold.code, hold.message, hold.hint)


def _without_leader(around: Around) -> Iterator[Cause]:
    cluster = around.cluster
    problem = without_leader(cluster)
    if problem is not None:
        details = {"mode": cluster.mode, "term": cluster.term}
        yield Cause(problem.code, problem.message, problem.hint, details)


def _without_worker(task: TaskView, around: Around) -> Iterator[Cause]:
    live = _live(around)
    if not live:
        yield Cause(
            "no_worker",
            "no worker is live",
            "Start one:  fcs work --database URL --app module:app",
        )
    elif task.ty not in types_of(live):
        yield Cause(
            "unknown_type",
            f"no live worker knows type {task.ty!r}",
            did_you_mean(task.ty, types_of(live))
            + "Start a worker with the --app that has this type; one that runs since before the"
            " type was written has to be started anew.",
            {"type": task.ty, "known": types_of(live)},
        )
    elif not _able(task, around):
        yield Cause(
            "unserved_queue",
            f"no live worker that knows type {task.ty!r} serves queue {task.queue!r}",
            did_you_mean(task.queue, queues_of(live))
            + f"Start a worker with --queue {task.queue}, or without --queue: it serves every"
            " queue.",
            {"queue": task.queue, "served": queues_of(live)},
        )


def _limited(task: TaskView, around: Around) -> Iterator[Cause]:
    queue = around.queue
    if queue.running_max is not None and queue.held.count >= queue.running_max:
        yield _full(f"queue {task.queue!r}", queue.running_max, queue.held, "running_max", task)
    if (
        task.limit_key
        and queue.key_running_max is not None
        and queue.key_held.count >= queue.key_running_max
    ):
        scope = f"limit key {task.limit_key!r} in queue {task.queue!r}"
        yield _full(scope, queue.key_running_max, queue.key_held, "key_running_max", task)


def _full(scope: str, most: int, held: SomeTasks, name: str, task: TaskView) -> Cause:
    return Cause(
        "limit_full",
        f"{scope} runs {most} at a time, and that many are held: by {_named(held)}",
        f"It starts when one of them ends; or raise {name} of queue {task.queue}.",
        {"limit": name, "running_max": most, "held": held.count, "held_by": list(held.ids)},
    )


def _waits_for_its_turn(task: TaskView, around: Around) -> Cause:
    capable = _able(task, around)
    slots = sum(worker.slots_total for worker in capable)
    busy = sum(worker.slots_busy for worker in capable)
    details: dict[str, Any] = {
        "workers": len(capable), "slots": slots, "busy": busy, "ahead": around.ahead,
    }  # fmt: skip
    ahead = f"; {around.ahead:,} of its kind are due before it" if around.ahead else ""
    if busy >= slots:
        workers = "the one worker" if len(capable) == 1 else f"the {len(capable)} workers"
        return Cause(
            "no_free_slot",
            f"it waits for a free slot: all {slots} of {workers} that can run it are busy{ahead}",
            "Start more workers, or give them more --slots; a higher priority goes first.",
            details,
        )
    if rate := _rate(task, around.queue):
        return Cause(
            "rate",
            f"queue {task.queue!r} lets {rate:g} tasks start in a second, so its turn comes in"
            f" about {in_words((around.ahead + 1) / rate)}{ahead}",
            f"Raise the rate of queue {task.queue}.",
            details | {"rate": rate},
        )
    late = (around.now - task.due_at).total_seconds() if task.due_at else 0.0
    return Cause(
        "next",
        f"it has been due for {in_words(late)} and {slots - busy} of {slots} slots for it are"
        f" free, so it is about to be handed out{ahead}",
        "Look again in a moment."
        if late < LATE_AFTER
        else f"That takes too long: see {log_in(around.cluster.mode)}, and `fcs doctor`.",
        details,
    )


def _named(tasks: SomeTasks) -> str:
    more = " and others" if tasks.count > len(tasks.ids) else ""
    return ", ".join(str(id) for id in tasks.ids) + more


def _rate(task: TaskView, queue: QueueSeen) -> float | None:
    rates = [queue.rate, queue.key_rate if task.limit_key else None]
    return min((rate for rate in rates if rate is not None), default=None)


# --- dispatched, running, ended ---


def _is_on_its_way(task: TaskView, around: Around) -> Cause:
    since = in_words((around.now - task.updated_at).total_seconds())
    details: dict[str, Any] = {"worker_id": task.worker_id, "since": task.updated_at}
    reaper = reaper_in(around.cluster.mode)
    if silent := _silent(task, around):
        return _lost(
            f"it was handed to worker {task.worker_id} {since} ago, which",
            silent,
            f"{_capital(reaper)} takes it back, and it runs elsewhere.",
            details,
        )
    return Cause(
        "dispatched",
        f"it was handed to worker {task.worker_id} {since} ago, which has not begun it yet",
        f"It begins in a moment; if not, {reaper} takes it back.",
        details,
    )


def _runs(task: TaskView, around: Around) -> Iterator[Cause]:
    started = task.started_at or task.updated_at
    took = (around.now - started).total_seconds()
    details: dict[str, Any] = {"worker_id": task.worker_id, "started_at": started}
    runs = f"it runs on worker {task.worker_id} since {_moment(started)} ({in_words(took)})"
    troubles = [*_troubles(task, around, runs, took, details)]
    wait = Cause("running", runs, f"Wait for it:  fcs task wait {task.id}", details)
    yield from troubles or [wait]


def _troubles(
    task: TaskView, around: Around, runs: str, took: float, details: dict[str, Any]
) -> Iterator[Cause]:
    if silent := _silent(task, around):
        yield _lost(
            f"{runs}, which",
            silent,
            f"{_capital(reaper_in(around.cluster.mode))} declares the worker lost, and the task"
            " interrupted (or retried, where it asked for that).",
            details,
        )
    if task.cancel is not None:
        said = f": {task.cancel.reason}" if task.cancel.reason else ""
        yield Cause(
            "cancel_asked",
            f"{runs}, and was asked to end at {_moment(task.cancel.requested_at)}{said}",
            "An async body ends where it awaits, a process is killed; a thread ends at its next"
            " safe point, fcs.current().check() or progress(), and not before.",
            details,
        )
    if task.timeout is not None and took > task.timeout:
        yield Cause(
            "past_timeout",
            f"{runs}, longer than its timeout of {task.timeout:g} s, and was asked to end",
            "A thread ends at its next safe point, fcs.current().check() or progress();"
            ' isolation="process" could be killed.',
            details | {"timeout": task.timeout},
        )


def _lost(what: str, silent: float, remedy: str, details: dict[str, Any]) -> Cause:
    heard = f"has been silent for {in_words(silent)}" if silent < float("inf") else "is gone"
    return Cause("worker_lost", f"{what} {heard}", remedy, details)


def _has_ended(task: TaskView) -> Cause:
    how = f"it {_ENDED[task.status]} at {_moment(task.updated_at)}"
    if task.status is Status.SUCCEEDED:
        return Cause("succeeded", how, f"See its result:  fcs task show {task.id}")
    attempts = f" in attempt {task.attempt} of {task.max_attempts}" if task.attempt else ""
    error = f": {task.error}" if task.error else ""
    if task.cancel is not None and task.cancel.level is StopLevel.BEFORE_START:
        attempts = ""
    again = f"Run it once more:  fcs task retry {task.id}"
    if task.status is Status.INTERRUPTED:
        look = "Nobody knows how far it came: look at its effects, before you run it once more"
        again = f"{look}:  fcs task retry {task.id}"
    return Cause(str(task.status), f"{how}{attempts}{error}", again)


_ENDED: Final = {
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "was interrupted",
    Status.CANCELLED: "was cancelled",
}


def _silent(task: TaskView, around: Around) -> float:
    """For how long the task's worker has been silent, if that is worth a word; else nothing."""
    for worker in around.workers:
        if worker.id == task.worker_id and worker.state in ("live", "draining"):
            return worker.silent if worker.silent >= SILENT_AFTER else 0.0
    return float("inf")


def _live(around: Around) -> list[WorkerSeen]:
    return [worker for worker in around.workers if worker.state == "live"]


def _able(task: TaskView, around: Around) -> list[WorkerSeen]:
    lane = Lane(task.queue, task.ty, task.priority, task.limit_key)
    return able(lane, _live(around))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%SZ}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
