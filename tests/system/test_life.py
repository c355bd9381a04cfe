"""Thousands of eventful lives while workers are killed: no start too many, no limit exceeded."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from tests.system.harness import Cluster, Entry, Worker, eventually, new_task

from fcs.database import tasks
from fcs.domain.ids import TaskId
from fcs.domain.task import FINAL, NewTask, OnInterrupt

pytestmark = pytest.mark.slow

LIMIT = 3
PLANS = ["succeed"] * 6 + ["fail once", "fail", "give up", "snooze"]
QUEUES = ["bulk"] * 16 + ["narrow", "keyed", "other", "other"]
SLOTS = 16
BLOWS = 8
BLOW_PAUSE = 1.0
TAKES = 6.0
"""Seconds between two blows, and until all tasks have been created, 250 at a time."""


@pytest.mark.parametrize("many", [2_000, pytest.param(10_000, marks=pytest.mark.nightly)])
def test_eventful_lives(database_url: str, tmp_path: Path, many: int) -> None:
    rng = Random(20)
    with Cluster(database_url, tmp_path) as cluster:
        lay_down_limits(cluster)
        cluster.start(workers=0)
        lives = [live(rng, serial) for serial in range(many)]
        nemesis = Nemesis(cluster, rng, cancel_from=[task.id for task in lives])
        with nemesis.at_work():
            for first in range(0, many, 250):
                create(cluster, lives[first : first + 250])
                time.sleep(TAKES * 250 / many)
        cluster.wait_until_settled()

        rows = cluster.rows(
            "select (args ->> 'serial')::int, queue, limit_key, status::text, attempt, max_attempts"
            "  from fcs.tasks"
        )
        entries = cluster.ledger.entries()
        assert len(rows) == many
        assert_no_start_too_many(rows, entries)
        assert_told_the_truth(rows, entries)
        assert_limits_kept(rows, entries, nemesis.killed_at)
        assert_no_permit_leaked(cluster, tmp_path, first_serial=many)


def lay_down_limits(cluster: Cluster) -> None:
    cluster.execute(
        f"insert into fcs.queues (name, running_max) values ('narrow', {LIMIT});"
        "insert into fcs.queues (name, key_running_max) values ('keyed', 1)"
    )


def live(rng: Random, serial: int) -> NewTask:
    queue = rng.choice(QUEUES)
    on_interrupt = rng.choice(list(OnInterrupt))
    options = {
        "max_attempts": rng.choice([1, 2, 3]),
        "on_interrupt": on_interrupt,
        "limit_key": f"key {rng.randrange(8)}" if queue == "keyed" else "",
    }
    return new_task(
        rng.choice(["episode", "episode_in_thread"]),
        serial,
        queue=queue,
        priority=rng.randrange(-20, 20),
        options=options,
        ms=rng.randrange(20) if rng.random() < 0.95 else rng.randrange(1_500),
        plan=rng.choice(PLANS),
    )


def create(cluster: Cluster, lives: list[NewTask]) -> None:
    with psycopg.connect(cluster.own_url, autocommit=True) as db:
        tasks.create_sync(db, lives)


class Nemesis:
    """Kills workers and puts others in their place, the supervisor too; pauses a queue."""

    def __init__(self, cluster: Cluster, rng: Random, *, cancel_from: list[TaskId]) -> None:
        self._cluster, self._rng, self._ids = cluster, rng, cancel_from
        self._workers: list[Worker] = []
        self.killed_at: dict[int, float] = {}
        """When which process was gone, at the latest."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Do the worst while the block runs, and on until every blow has fallen."""
        self._workers = [self._cluster.work(slots=SLOTS) for _ in range(4)]
        self._cluster.wait_for_workers(*self._workers)
        over = threading.Event()
        cancelling = threading.Thread(target=self._cancel, args=(over,))
        cancelling.start()
        try:
            with ThreadPoolExecutor(1) as arm:
                blows = arm.submit(self._strike)
                yield
                blows.result()
        finally:
            over.set()
            cancelling.join()

    def _strike(self) -> None:
        for blow in range(BLOWS):
            time.sleep(BLOW_PAUSE)
            self._replace(self._rng.randrange(len(self._workers)))
            self._pause(blow % 2 == 0)
            if blow == BLOWS // 2:
                self._replace_supervisor()

    def _replace(self, which: int) -> None:
        process = self._workers[which].process
        process.kill()
        self.killed_at[process.pid] = time.time()
        self._workers[which] = self._cluster.work(slots=SLOTS)

    def _replace_supervisor(self) -> None:
        supervisor = next(p for p in self._cluster.processes if "supervise" in p.name)
        supervisor.kill()
        self._cluster.supervise()

    def _pause(self, pause: bool) -> None:
        moment = "fcs.now()" if pause else "null"
        self._cluster.execute(
            f"insert into fcs.queues (name, paused_at) values ('other', {moment})"
            f" on conflict (name) do update set paused_at = {moment};"
            "select pg_notify('fcs_supervisor', 'queues')"
        )

    def _cancel(self, over: threading.Event) -> None:
        rng = Random(21)
        with psycopg.connect(self._cluster.own_url, autocommit=True) as db:
            while not over.wait(0.1):
                tasks.cancel_sync(db, rng.sample(self._ids, 10), reason="chance")


def assert_no_start_too_many(rows: Iterable[tuple[Any, ...]], entries: list[Entry]) -> None:
    """ONCE, for each attempt; and no more attempts than the task may have."""
    began = Counter(entry.run for entry in entries if entry.mark == "began")
    assert [run for run, count in began.items() if count > 1] == []

    starts = Counter(entry.serial for entry in entries if entry.mark == "began")
    for serial, _, _, _, attempt, max_attempts in rows:
        assert starts[serial] <= attempt <= max_attempts


def assert_told_the_truth(rows: Iterable[tuple[Any, ...]], entries: list[Entry]) -> None:
    """Every task is final; what succeeded did return, what did not begin never ran."""
    ended = {entry.run for entry in entries if entry.mark == "ended"}
    for serial, _, _, status, attempt, _ in rows:
        assert status in FINAL
        if status == "succeeded":
            assert f"{serial}:{attempt}" in ended
        if status in ("failed", "cancelled"):
            assert f"{serial}:{attempt}" not in ended


def assert_limits_kept(
    rows: Iterable[tuple[Any, ...]], entries: list[Entry], killed_at: dict[int, float]
) -> None:
    scopes = {serial: (queue, key) for serial, queue, key, *_ in rows}
    assert (
        most_at_once(entries, killed_at, {s for s in scopes if scopes[s][0] == "narrow"}) <= LIMIT
    )
    for key in {scope for scope in scopes.values() if scope[0] == "keyed"}:
        assert most_at_once(entries, killed_at, {s for s in scopes if scopes[s] == key}) <= 1


def most_at_once(entries: list[Entry], killed_at: dict[int, float], serials: set[int]) -> int:
    """How many bodies of these tasks ran at the same moment, at the most."""
    moments: list[tuple[float, int]] = []
    open_runs: dict[str, Entry] = {}
    for entry in entries:
        if entry.serial not in serials:
            continue
        if entry.mark == "began":
            moments.append((entry.real_time, 1))
            open_runs[entry.run] = entry
        elif entry.mark == "left":
            moments.append((entry.real_time, -1))
            del open_runs[entry.run]
    # Those of a killed process came to no end of their own.
    moments += [(killed_at[entry.pid], -1) for entry in open_runs.values()]
    running = most = 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    return most


def assert_no_permit_leaked(cluster: Cluster, folder: Path, *, first_serial: int) -> None:
    """After all that, the limit lets through as many as before, and no more."""
    gate = folder / "gate"
    serials = range(first_serial, first_serial + LIMIT + 1)
    another = first_serial + 100
    cluster.create("hold", serials, queue="narrow", gate=str(gate))

    def begun() -> set[int]:
        return set(serials) & cluster.ledger.begun().keys()

    started = eventually(begun, until=lambda serials: len(serials) >= LIMIT)
    # What would have to wait does wait, though slots are free: a task of another queue passes it.
    cluster.create("nap", [another])
    cluster.ledger.wait_begun(another)
    assert begun() == started
    gate.touch()
    cluster.wait_until_settled()
    cluster.wait_for_status("succeeded", *serials)
