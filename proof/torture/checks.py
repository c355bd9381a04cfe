"""What is promised of every single task, held against what happened.

Each check looks at the books only; none asks fcs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from proof.torture.finding import Finding, Violation
from proof.torture.harm import WIRES, strikes
from proof.torture.history import Call, Event, History, Instance, Line, Row

FINAL: Final = frozenset({"succeeded", "failed", "interrupted", "cancelled"})

MOVES: Final = {
    None: {"pending"},
    "pending": {"dispatched", "cancelled", "interrupted"},
    "dispatched": {"running", "pending", "failed", "cancelled", "interrupted"},
    "running": {"succeeded", "failed", "interrupted", "cancelled", "pending"},
}
"""The diagram of the documentation, written down once more."""

TELLING_CODES: Final = frozenset({0, 5})
"""Who leaves when asked to, or because it was called lost, first tells how its bodies ended."""

TELLS_FOR: Final = 8.0
"""Seconds: for five of them it tries, and what it has to say before takes a while."""

UNHEARD_MIN: Final = 2.0

DEAFENING: Final = WIRES | {"server stop", "backend kill", "failover", "no connections", "lock"}

CLOCK_SLACK: Final = 0.05


def once(history: History) -> Finding:
    """C1, ONCE: a body starts at most once for each attempt; attempts are bounded."""
    wrong = []
    for task, starts in history.starts_by_task.items():
        most = int(history.tasks.get(task, {}).get("max_attempts", 1))
        attempts = Counter(line.attempt for line in starts)
        if len(starts) > most or max(attempts.values()) > 1 or max(attempts) > most:
            wrong.append(
                Violation(
                    (task,), f"{_times(starts)} with at most {most} attempts: {_runs(starts)}"
                )
            )
    wrong += [
        Violation((run,), f"one run {_times(starts)}")
        for run, starts in history.started_runs.items()
        if len(starts) > 1
    ]
    return Finding("C1", "ONCE: a body starts at most once", len(history.starts), wrong)


def acknowledged(history: History) -> Finding:
    """C2, ACK: what was acknowledged is there, what was refused is not, all or none, and once."""
    wrong: list[Violation] = []
    requests: dict[tuple[int, ...], list[Call]] = defaultdict(list)
    for call in history.calls:
        requests[call.serials].append(call)
    asked = {serial for serials in requests for serial in serials}
    for serials, calls in requests.items():
        wrong += _request_violations(history, serials, calls)
    wrong += [
        Violation((row["id"],), "a task that no client has asked for")
        for serial, rows in history.by_serial.items()
        if serial not in asked
        for row in rows
    ]
    return Finding("C2", "ACK: what was acknowledged is there", len(history.calls), wrong)


def _request_violations(
    history: History, serials: tuple[int, ...], calls: Sequence[Call]
) -> Iterator[Violation]:
    """A request may have been sent several times, under one key."""
    rows = [row for serial in serials for row in history.by_serial.get(serial, ())]
    ids = tuple(row["id"] for row in rows)
    outcomes = {call.outcome for call in calls}
    named = f"create of serials {serials[0]}..{serials[-1]}"
    if "surprise" in outcomes:
        yield Violation(ids, f"{named} ended in an error that nobody promised: {calls[0].error}")
    for call in calls:
        if call.outcome == "ok" and sorted(call.ids) != sorted(ids):
            yield Violation(call.ids, f"{named} was acknowledged as other tasks: {ids}")
    if outcomes == {"fail"} and rows:
        yield Violation(ids, f"{named} was refused, and is there all the same")
    if rows and len(rows) != len(serials):
        yield Violation(ids, f"{named} is there {len(rows)} times instead of {len(serials)}")


def final(history: History) -> Finding:
    """C3, FINAL: a task's statuses are a path of the diagram, and the last one stays."""
    wrong = []
    for task, events in history.path.items():
        before: str | None = None
        for event in events:
            if event.before != before or event.after not in MOVES.get(before, set()):
                wrong.append(
                    Violation((task,), f"went from {before} to {event.after}: {_path(events)}")
                )
                break
            before = event.after
        else:
            row = history.tasks.get(task)
            if row is None or row["status"] != before:
                status = row and row["status"]
                wrong.append(Violation((task,), f"is {status} and was last {before}"))
    wrong += [
        Violation((task,), "is there and has never come to be")
        for task in history.tasks.keys() - history.path.keys()
    ]
    return Finding("C3", "FINAL: statuses take a path of the diagram", len(history.events), wrong)


def truth(history: History) -> Finding:
    """C4, TRUTH: succeeded means that the body returned; a body that returned is known to have."""
    wrong = [found for row in history.tasks.values() for found in _row_violations(history, row)]
    wrong += [
        found for line in history.ended_runs.values() for found in _end_violations(history, line)
    ]
    wrong += [
        found
        for event in history.run_ends.values()
        for found in _release_violations(history, event)
    ]
    wrong += [found for cancel in history.cancels for found in _cancel_violations(history, cancel)]
    chances = len(history.tasks) + len(history.ended_runs) + len(history.cancels)
    return Finding("C4", "TRUTH: what the rows say happened, happened", chances, wrong)


def _row_violations(history: History, row: Row) -> Iterator[Violation]:
    returned = row["run"] in history.ended_runs
    match row["status"]:
        case "succeeded" if not returned:
            yield Violation((row["id"],), "succeeded, and its body has not returned")
        case "failed" if returned:
            yield Violation((row["id"],), "failed, and its body has returned")
        case "cancelled" if row["cancel_level"] == "before_start":
            if len(history.starts_by_task.get(row["id"], ())) > row["attempt"]:
                yield Violation(
                    (row["id"],), "cancelled before its start, and its body has started"
                )
        case "cancelled" if returned:
            yield Violation((row["id"],), "cancelled, and its body has returned")
        case "pending" | "dispatched" if row["id"] in history.starts_by_task:
            if len(history.starts_by_task[row["id"]]) > row["attempt"]:
                yield Violation((row["id"],), f"{row['status']}, and a body more has started")


def _end_violations(history: History, line: Line) -> Iterator[Violation]:
    """A body returned: the rows say so, or keep it as a late report, or nobody was left to tell."""
    end = history.run_ends.get(line.run)
    late = history.late.get(line.run)
    if (end and end.after == "succeeded") or (late and late["status"] == "succeeded"):
        return
    if _was_silenced(history, line):
        return
    status = end.after if end else "nothing"
    yield Violation((line.task, line.run), f"its body returned, and the rows say {status}")


def _was_silenced(history: History, line: Line) -> bool:
    """Whether the worker process did not live to tell, or its child not to pass it on."""
    acts = history.by_instance.get(line.instance, ())
    if any(act.kind == "kill child" and act.pid == line.pid for act in acts):
        return True
    one = history.instances.get(line.instance)
    if one is None or one.ended is None or one.ended > history.marks["dumped"]:
        return False
    return one.code not in TELLING_CODES or _was_unheard(history, one)


def _was_unheard(history: History, one: Instance) -> bool:
    """Whether the database was out of its reach for most of the time in which it told."""
    assert one.ended is not None
    since, until = one.ended - TELLS_FOR, one.ended
    unheard = sum(
        max(0.0, min(act.ended, until) - max(act.began, since))
        for act in history.acts
        if act.kind in DEAFENING and (not act.instances or strikes(act, one.name))
    )
    return unheard >= UNHEARD_MIN


def _release_violations(history: History, event: Event) -> Iterator[Violation]:
    """A run that was given back without counting as an attempt never started."""
    assert event.run is not None
    begun = history.begins.get(event.run)
    is_released = event.after == "pending" and begun is not None and event.attempt < begun.attempt
    if is_released and event.run in history.started_runs:
        yield Violation((event.task, event.run), "given back as never started, and it has started")


def _cancel_violations(history: History, cancel: Row) -> Iterator[Violation]:
    """It is over, said the answer."""
    row = history.tasks.get(cancel["id"])
    if cancel["is_over"] and (row is None or row["status"] != "cancelled"):
        status = row and row["status"]
        yield Violation((cancel["id"],), f"cancelled, said the answer; it is {status}")


def owner(history: History) -> Finding:
    """C5, OWNER: whoever starts a body has begun its run before, by the rows."""
    wrong = []
    for line in history.starts:
        begun = history.begins.get(line.run)
        instance = history.instances.get(line.instance)
        if begun is None:
            wrong.append(
                Violation((line.task, line.run), "started, and no row has ever known the run")
            )
        elif (begun.task, begun.attempt) != (line.task, line.attempt):
            wrong.append(
                Violation((line.task, line.run), "started as another attempt than it was begun")
            )
        elif begun.real > line.real + CLOCK_SLACK:
            late = begun.real - line.real
            wrong.append(
                Violation((line.task, line.run), f"started {late:.3f} s before it was begun")
            )
        elif instance is not None and begun.worker != instance.worker:
            wrong.append(Violation((line.task, line.run), f"begun by another than {line.instance}"))
    return Finding("C5", "OWNER: a run is begun by who starts its body", len(history.starts), wrong)


def early(history: History) -> Finding:
    """C6, EARLY: nothing is handed out or started before its time, by the database's clock."""
    wrong, chances = [], 0
    for task, row in history.tasks.items():
        due = row["scheduled_at"]
        if due is None:
            continue
        chances += 1
        for event in history.path.get(task, ()):
            # Where the clock was just being set, the event may have read another one.
            is_sure = not history.clock_was_set(event.real - 1, event.real + 1)
            if event.after == "dispatched" and event.at < due and is_sure:
                wrong.append(
                    Violation((task,), f"handed out {due - event.at:.3f} s before its time")
                )
        for line in history.starts_by_task.get(task, ()):
            begun = history.begins.get(line.run)
            # The clock may have been ahead when it was handed out, and back by now.
            since = begun.real - TAKEN_UP_WITHIN if begun else line.real
            ahead = due - line.real - history.shift(since, line.real)
            if ahead > 0:
                wrong.append(Violation((task, line.run), f"started {ahead:.3f} s before its time"))
    return Finding("C6", "EARLY: nothing starts before its time", chances, wrong)


TAKEN_UP_WITHIN: Final = 15.0
"""Seconds after which what was handed out and has not begun was taken back."""


def capacity(history: History) -> Finding:
    """C10, CAP: no process runs more bodies than it has slots; at rest all slots are free."""
    wrong, chances = [], 0
    changes: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for line in history.starts:
        # When the slot of a body was free again that was killed, nobody has seen.
        if over := history.left_runs.get(line.run):
            changes[line.instance] += [(line.boot, 1, line.run), (over.boot, -1, line.run)]
    for name, moves in changes.items():
        instance = history.instances.get(name)
        if instance is None:
            continue
        chances += 1
        running = 0
        for _, change, run in sorted(moves):
            running += change
            if running > instance.slots:
                wrong.append(
                    Violation((run,), f"{name} runs {running} bodies in {instance.slots} slots")
                )
                break
    for worker in history.workers:
        if worker["state"] == "live":
            chances += 1
            if worker["slots_busy"] or worker["tasks_sent"] != worker["tasks_taken"]:
                wrong.append(
                    Violation((worker["worker"],), f"at rest, and not free: {dict(worker)}")
                )
    return Finding("C10", "CAP: slots are neither exceeded nor leaked", chances, wrong)


def _times(lines: Sequence[Line]) -> str:
    return f"started {len(lines)} times"


def _runs(lines: Sequence[Line]) -> str:
    return ", ".join(f"attempt {line.attempt} in {line.instance}" for line in lines)


def _path(events: Sequence[Event]) -> str:
    return " > ".join(event.after for event in events)
