"""What happened, as the books tell it: read once, and looked up by the checks.

Knows the files and nothing of fcs.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

Row = Mapping[str, Any]

UNANSWERED: Row = {"op": "unknown"}


class Line(NamedTuple):
    """A line of the ledger: a body began, ended (it returned), or left in whatever way."""

    mark: str
    serial: int
    task: str
    run: str
    attempt: int
    boot: float
    real: float
    pid: int
    instance: str


class Event(NamedTuple):
    """A change of a task's status. `at` is the database's clock, `real` the machine's."""

    no: int
    task: str
    before: str | None
    after: str
    attempt: int
    run: str | None
    worker: str | None
    at: float
    real: float


class Call(NamedTuple):
    """A create that a client asked for, and what came of it."""

    serials: tuple[int, ...]
    key: str | None
    outcome: str
    ids: tuple[str, ...]
    error: str
    real: float


class Act(NamedTuple):
    """What the nemesis did; `instances` are the processes that it struck, if it was to some."""

    no: int
    kind: str
    instances: tuple[str, ...]
    began: float
    ended: float
    pid: int | None
    detail: Row

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Spells:
    """Acts of some kinds, to be asked when the last of them was over."""

    def __init__(self, acts: Iterable[Act]) -> None:
        spells = sorted((act.began, act.ended) for act in acts)
        self._began = [began for began, _ in spells]
        self._over = list(accumulate((ended for _, ended in spells), max))

    def over(self, since: float, until: float) -> float:
        """From when on nothing of it went on, within this time: `until` if it does so then."""
        before = bisect_right(self._began, until)
        return max(since, min(self._over[before - 1], until)) if before else since


class Instance(NamedTuple):
    """One start of a process. `ended` is when its end was seen; `code` its exit code."""

    name: str
    worker: str | None
    slots: int
    pid: int
    began: float
    ended: float | None
    code: int | None


@dataclass(frozen=True)
class History:
    """Everything of one run. `began` of acts and instances is in boot time."""

    lines: Sequence[Line] = ()
    events: Sequence[Event] = ()
    calls: Sequence[Call] = ()
    cancels: Sequence[Row] = ()
    acts: Sequence[Act] = ()
    instances: Mapping[str, Instance] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)
    """Moments by name, in boot time: when the faults were over, when it was quiet."""
    tasks: Mapping[str, Row] = field(default_factory=dict)
    late: Mapping[str, Row] = field(default_factory=dict)
    """Late reports, by run."""
    attempts: Sequence[Row] = ()
    workers: Sequence[Row] = ()
    ends: Sequence[Row] = ()
    """When the rows of workers said that these were draining, gone or lost."""
    logs: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    to_real: float = 0.0
    """What is to be added to boot time for the machine's clock."""

    @cached_property
    def starts(self) -> Sequence[Line]:
        return sorted((line for line in self.lines if line.mark == "began"), key=_boot)

    @cached_property
    def ended_runs(self) -> Mapping[str, Line]:
        """The bodies that returned, by run."""
        return {line.run: line for line in self.lines if line.mark == "ended"}

    @cached_property
    def left_runs(self) -> Mapping[str, Line]:
        return {line.run: line for line in self.lines if line.mark == "left"}

    @cached_property
    def started_runs(self) -> Mapping[str, Sequence[Line]]:
        return _grouped(self.starts, lambda line: line.run)

    @cached_property
    def starts_by_task(self) -> Mapping[str, Sequence[Line]]:
        return _grouped(self.starts, lambda line: line.task)

    @cached_property
    def by_process(self) -> Mapping[str, Sequence[Line]]:
        """What the bodies of each worker process wrote down."""
        return _grouped(self.lines, lambda line: line.instance)

    @cached_property
    def begun_by(self) -> Mapping[str, Sequence[Event]]:
        """What each worker has begun, by the rows."""
        return _grouped(self.begins.values(), lambda event: event.worker)

    @cached_property
    def path(self) -> Mapping[str, Sequence[Event]]:
        """The events of each task, in their order."""
        return _grouped(sorted(self.events), lambda event: event.task)

    @cached_property
    def begins(self) -> Mapping[str, Event]:
        """When each run was begun, by the rows."""
        return {event.run: event for event in self.events if event.after == "running" and event.run}

    @cached_property
    def run_ends(self) -> Mapping[str, Event]:
        """How each run was over, by the rows."""
        return {
            event.run: event for event in self.events if event.before == "running" and event.run
        }

    @cached_property
    def by_serial(self) -> Mapping[int, Sequence[Row]]:
        return _grouped(self.tasks.values(), lambda task: int(task["serial"]))

    @cached_property
    def by_instance(self) -> Mapping[str, Sequence[Act]]:
        """What was done to each process."""
        struck: dict[str, list[Act]] = defaultdict(list)
        for act in self.acts:
            for instance in act.instances:
                struck[instance].append(act)
        return struck

    @cached_property
    def by_place(self) -> Mapping[str, Sequence[Act]]:
        """What was done to whichever processes were in each place."""
        struck: dict[str, list[Act]] = defaultdict(list)
        for act in self.acts:
            for place in set(map(place_of, act.instances)):
                struck[place].append(act)
        return struck

    @cached_property
    def by_kind(self) -> Mapping[str, Sequence[Act]]:
        return _grouped(self.acts, lambda act: act.kind)

    @cached_property
    def instance_of(self) -> Mapping[str, Instance]:
        """By the worker's id."""
        return {one.worker: one for one in self.instances.values() if one.worker}

    def shift(self, since: float, until: float) -> float:
        """By how much the database's clock was ahead of the machine's at most, in real time."""
        ahead = [
            float(act.detail["seconds"])
            for act in self.by_kind.get("clock", ())
            if act.began + self.to_real <= until and act.ended + self.to_real >= since
        ]
        return max([0.0, *ahead])

    def clock_was_set(self, since: float, until: float) -> bool:
        """Whether the database's clock jumped between two moments of real time."""
        return any(
            since <= moment + self.to_real <= until
            for act in self.by_kind.get("clock", ())
            for moment in (act.began, act.ended)
        )


def place_of(instance: str) -> str:
    """Where a process was; the wire that leads there outlives it."""
    return instance.rpartition(".")[0]


def _boot(line: Line) -> float:
    return line.boot


def _grouped(rows: Iterable[Any], key: Any) -> Mapping[Any, Any]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def read(folder: Path) -> History:
    """The books of a run."""
    nemesis = list(_rows(folder / "nemesis.jsonl"))
    calls, cancels = _calls(folder)
    with (folder / "ledger").open() as ledger:
        lines = [_line(text) for text in ledger]
    return History(
        lines=lines,
        events=[Event(**row) for row in _rows(folder / "events.jsonl")],
        calls=calls,
        cancels=cancels,
        acts=_acts(nemesis),
        instances=_instances(nemesis),
        marks={row["name"]: row["boot"] for row in nemesis if row["op"] == "mark"},
        tasks={row["id"]: row for row in _rows(folder / "tasks.jsonl")},
        late={row["run"]: row for row in _rows(folder / "late_reports.jsonl")},
        attempts=list(_rows(folder / "attempts.jsonl")),
        workers=list(_rows(folder / "workers.jsonl")),
        ends=list(_rows(folder / "ends.jsonl")),
        logs={file.name: file.read_text("utf-8", "replace") for file in folder.glob("logs/*.log")},
        secrets=[row["text"] for row in nemesis if row["op"] == "secret"],
        to_real=nemesis[0]["real"] - nemesis[0]["boot"],
    )


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open() as lines:
        for line in lines:
            yield json.loads(line, object_hook=_lean)


def _lean(row: dict[str, Any]) -> dict[str, Any]:
    """The same, its words shared with all other rows: there are millions of them."""
    return {intern(name): intern(said) if type(said) is str else said for name, said in row.items()}


def _line(text: str) -> Line:
    mark, serial, task, run, attempt, boot, real, pid, instance = map(intern, text.split())
    return Line(
        mark, int(serial), task, run, int(attempt), float(boot), float(real), int(pid), instance
    )


def _calls(folder: Path) -> tuple[list[Call], list[Row]]:
    """What clients asked for: of a create that was not answered nobody knows what came of it."""
    calls: list[Call] = []
    cancels: list[Row] = []
    for file in sorted(folder.glob("clients-*.jsonl")):
        asked: dict[int, Row] = {}
        answers: dict[int, Row] = {}
        for row in _rows(file):
            if row["op"] == "create":
                asked[row["call"]] = row
            elif row["op"] == "cancel":
                cancels.append(row)
            else:
                answers[row["call"]] = row
        for number, question in asked.items():
            answer = answers.get(number, UNANSWERED)
            calls.append(
                Call(
                    tuple(question["serials"]),
                    question["key"],
                    answer["op"],
                    tuple(answer.get("ids", ())),
                    answer.get("error", ""),
                    question["real"],
                )
            )
    return calls, cancels


def _acts(nemesis: Sequence[Row]) -> list[Act]:
    over: dict[int, float] = {row["act"]: row["boot"] for row in nemesis if row["op"] == "end"}
    last = float(nemesis[-1]["boot"])
    return [
        Act(
            row["act"],
            row["kind"],
            tuple(row["instances"]),
            row["at"],
            # What nobody ended went on to the end.
            over.get(row["act"], last),
            row.get("pid"),
            row,
        )
        for row in nemesis
        if row["op"] == "act"
    ]


def _instances(nemesis: Sequence[Row]) -> dict[str, Instance]:
    exits = {row["instance"]: row for row in nemesis if row["op"] == "exited"}
    found: dict[str, Instance] = {}
    for row in nemesis:
        if row["op"] == "started":
            name = row["instance"]
            end = exits.get(name, {})
            found[name] = Instance(
                name,
                row["worker"],
                row["slots"],
                row["pid"],
                row["boot"],
                end.get("boot"),
                end.get("code"),
            )
    return found
