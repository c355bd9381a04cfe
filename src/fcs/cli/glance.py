"""A glance at the cluster: who is there, what waits, what became of the last hour's tasks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from fcs.cli import leading
from fcs.cli.common import Common
from fcs.cli.output import columns, pairs
from fcs.cli.queue.form import in_words as limits_in_words
from fcs.cli.queue.form import paused
from fcs.cli.text import cut
from fcs.database import backlog, cluster, insights, queues, schedules
from fcs.database.connect import Connection
from fcs.database.home import hold_on
from fcs.database.insights import LaneWaiting, WorkerView
from fcs.database.queues import QueueView
from fcs.domain.cluster import ClusterView
from fcs.domain.ids import ENTROPY_BYTES, uuid7
from fcs.domain.leading_problems import find_leading_problems
from fcs.domain.problems import ClusterProblem, find_problems, in_words
from fcs.domain.schedule_problems import find_schedule_problems
from fcs.domain.task import Status

LANES_MAX = 1_000
LANES_SHOWN = 20
SCHEDULES_MAX = 1_000
_HOUR = timedelta(hours=1)


class Glance(NamedTuple):
    now: datetime
    cluster: ClusterView
    workers: list[WorkerView]
    waiting: list[LaneWaiting]
    queues: list[QueueView]
    """Those that are paused or limited."""
    in_hand: Mapping[Status, int]
    last_hour: Mapping[Status, int]
    problems: list[ClusterProblem]


async def look(db: Connection, *, lease: float) -> Glance:
    """Look at everything once."""
    led = await cluster.show(db)
    now = led.now
    workers = await insights.list_workers(db)
    waiting = await insights.waiting(db, await backlog.lanes(db, limit=LANES_MAX))
    ruled = await queues.look(db, [rules.queue for rules in await queues.rules(db)])
    an_hour_ago = uuid7(round((now - _HOUR).timestamp() * 1_000), bytes(ENTROPY_BYTES))
    hold = await hold_on(db)
    problems = [hold] if hold else []
    problems += find_leading_problems(led, workers)
    problems += find_problems(
        waiting,
        workers,
        cluster=led,
        now=now,
        lease=lease,
        count_max=insights.COUNT_MAX,
        queues=ruled,
    )
    problems += find_schedule_problems(
        await schedules.list_schedules(db, limit=SCHEDULES_MAX),
        now=now,
        are_workers_live=any(worker.state == "live" for worker in workers),
    )
    return Glance(
        now,
        led,
        workers,
        waiting,
        ruled,
        await insights.in_hand(db),
        await insights.recent(db, since=an_hour_ago),
        problems,
    )


def document(glance: Glance) -> dict[str, Any]:
    """The glance as programs read it."""
    return {
        "now": glance.now,
        "cluster": glance.cluster,
        "workers": [msgspec.structs.asdict(worker) for worker in glance.workers],
        "waiting": [
            {**head.lane._asdict(), "due": head.due, "scheduled": head.scheduled,
             "oldest_due_at": head.oldest_due_at}
            for head in glance.waiting
        ],
        "queues": [msgspec.structs.asdict(queue) for queue in glance.queues],
        "in_hand": glance.in_hand,
        "last_hour": glance.last_hour,
        "problems": glance.problems,
    }  # fmt: skip


def show(common: Common, glance: Glance) -> str:
    """The glance as people read it."""
    live = [worker for worker in glance.workers if worker.state == "live"]
    slots = sum(worker.slots_total for worker in live)
    busy = sum(worker.slots_busy for worker in live)
    counts = [
        *leading.lines(glance.cluster, glance.workers),
        ("workers", f"{_count(len(live), 'live')}, {busy} of {slots} slots busy"),
        ("waiting", _waiting(glance.waiting)),
        ("in hand", _by_status(glance.in_hand)),
        ("last hour", _by_status(glance.last_hour) + " (of the tasks created in it)"),
    ]
    parts = [pairs([*counts, *_rules(glance.queues)])]
    if glance.waiting:
        parts.append(_lanes(glance.waiting, glance.now))
    parts.append(leading.problems(common, glance.problems))
    return "\n\n".join(parts)


def _rules(queues: Sequence[QueueView]) -> list[tuple[str, object]]:
    """A line for each queue that is paused or limited."""
    rules: list[tuple[str, object]] = []
    for queue in queues:
        whole = limits_in_words(queue.running_max, queue.rate, queue.burst)
        each = limits_in_words(queue.key_running_max, queue.key_rate, queue.key_burst)
        since = paused(queue)
        parts = [whole, f"each key {each}" if each else "", f"paused {since}" if since else ""]
        said = "; ".join(filter(None, parts))
        rules.append((f"queue {cut(queue.name, 30)}", f"{said} ({queue.held} held)"))
    return rules[:LANES_SHOWN]


def _lanes(waiting: Sequence[LaneWaiting], now: datetime) -> str:
    table = columns(
        ["QUEUE", "TYPE", "PRIORITY", "DUE", "SCHEDULED", "OLDEST DUE"],
        [
            (
                cut(head.lane.queue, 30),
                cut(head.lane.ty, 40),
                head.lane.priority,
                head.due,
                head.scheduled,
                f"{in_words((now - head.oldest_due_at).total_seconds())} ago"
                if head.oldest_due_at
                else "",
            )
            for head in waiting[:LANES_SHOWN]
        ],
    )
    more = len(waiting) - LANES_SHOWN
    return f"{table}\n… and {more} lanes more" if more > 0 else table


def _waiting(waiting: Sequence[LaneWaiting]) -> str:
    due = sum(head.due for head in waiting)
    scheduled = sum(head.scheduled for head in waiting)
    # Each lane is counted so far and no further.
    more = any(head.due + head.scheduled >= insights.COUNT_MAX for head in waiting)
    return f"{due:,} due, {scheduled:,} scheduled" + (", or more" if more else "")


def _by_status(counts: Mapping[Status, int]) -> str:
    more = sum(counts.values()) >= insights.COUNT_MAX
    text = ", ".join(f"{counts[status]:,} {status}" for status in Status if counts.get(status))
    return (text or "nothing") + (" and more" if more else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number else f"none {what}"
