"""Clusters of real `fcs` processes, and what the ledger and the rows say about them.

Nothing here waits for time to pass: a test waits for what it can see in a row, in the ledger,
in a log or in an exit code.
"""

import json
import operator
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import UUID, uuid4

import psycopg
from msgspec.structs import replace
from tests.pooler import WANTED, around, is_pooled

from fcs.client.ids import new_task_id
from fcs.database import tasks
from fcs.database.connect import connect_sync
from fcs.database.line import SyncConnection
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask

HERE = Path(__file__).parent

PATIENCE = 240.0 if os.environ.get(WANTED) else 60.0
"""Seconds after which something that ought to happen is not going to: polls take their time."""

LOOK_AGAIN = 0.02

PAUSE = 0.04
"""Seconds between two creates of one client: some twenty a second."""

T = TypeVar("T")


def eventually(look: Callable[[], T], *, until: Callable[[T], bool] = bool) -> T:
    """Look until it is so, and return what was seen then."""
    give_up_at = time.monotonic() + PATIENCE
    while not until(seen := look()):
        assert time.monotonic() < give_up_at, f"it never came to that; last seen: {seen!r}"
        time.sleep(LOOK_AGAIN)
    return seen


class Entry(NamedTuple):
    """A line of the ledger: a body began or ended."""

    mark: str
    serial: int
    run: str
    boot_time: float
    real_time: float
    pid: int


class Ledger:
    """What bodies really did, whatever the database says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def entries(self) -> list[Entry]:
        return [_entry(line) for line in self.path.read_text().splitlines()]

    def begun(self) -> Counter[int]:
        return Counter(entry.serial for entry in self.entries() if entry.mark == "began")

    def ended(self) -> Counter[int]:
        return Counter(entry.serial for entry in self.entries() if entry.mark == "ended")

    def wait_begun(self, *serials: int) -> None:
        eventually(lambda: self.begun().keys() >= set(serials))

    def wait_count(self, count: int) -> None:
        """Wait until so many bodies have begun."""
        eventually(lambda: self.begun().total() >= count)

    def most_at_once(self) -> Counter[int]:
        """How many bodies each process had running at once, at the most."""
        most: Counter[int] = Counter()
        running: dict[int, set[str]] = {}
        for entry in self.entries():
            runs = running.setdefault(entry.pid, set())
            (runs.add if entry.mark == "began" else runs.discard)(entry.run)
            most[entry.pid] = max(most[entry.pid], len(runs))
        return most


def _entry(line: str) -> Entry:
    mark, serial, run, boot_time, real_time, pid = line.split()
    return Entry(mark, int(serial), run, float(boot_time), float(real_time), int(pid))


class Process:
    """A running `fcs` command; its output goes to a file."""

    def __init__(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = f"fcs {' '.join(arguments)}"
        self.may_be_gone = False
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fcs", *arguments],
                cwd=HERE,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def pause(self) -> None:
        """Stop it in its tracks, without its knowing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to leave; asked twice it leaves at once."""
        self._process.terminate()

    def kill(self) -> None:
        self.may_be_gone = True
        self._process.kill()
        self._process.wait()

    def exit_code(self, *, within: float = PATIENCE) -> int:
        """Wait until it has left by itself."""
        self.may_be_gone = True
        return self._process.wait(within)

    def memory_peak(self) -> int:
        """How many bytes of real memory it has had at the most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024


class Worker(NamedTuple):
    """A worker process, and the id it works under."""

    id: UUID
    process: Process


class Cluster:
    """The `fcs` processes of one test on one database.

    At the end each of them must still be there, unless the test saw it off, and no log may hold
    a traceback. `told` is the address that they are told, where it is not that of the test.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        told: str | None = None,
    ) -> None:
        self.url = told or url
        """The way that processes take."""
        self.own_url = around(url)
        """The way that the test itself takes."""
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.processes: list[Process] = []
        self._environment = _plain_environment() | {
            "FCS_TEST_LEDGER": str(self.ledger.path),
            **(environment or {}),
        }
        self._db: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        died = [p.name for p in self.processes if not p.is_alive and not p.may_be_gone]
        for process in self.processes:
            process.kill()
        if self._db is not None:
            self._db.close()
        logs = "\n".join(f"--- {process.name}\n{process.log()}" for process in self.processes)
        if exc is not None:
            exc.add_note(logs)
            return
        assert not died, f"{died} died by themselves\n{logs}"
        assert "Traceback (most recent call last)" not in logs, logs

    # Processes

    def run(self, *arguments: str) -> Process:
        """Start any `fcs` command."""
        log = self.folder / f"{len(self.processes)}-{arguments[0]}.log"
        process = Process(arguments, log, self._environment)
        self.processes.append(process)
        return process

    def supervise(self, *, url: str | None = None) -> Process:
        return self.run("supervise", "--database", url or self.url)

    def work(
        self,
        *options: str,
        id: UUID | None = None,
        app: str = "bodies:app",
        slots: int = 4,
        url: str | None = None,
    ) -> Worker:
        id = id or uuid4()
        given = [
            "--database",
            url or self.url,
            "--id",
            str(id),
            "--slots",
            str(slots),
            "--app",
            app,
        ]
        return Worker(id, self.run("work", *given, *options))

    def start(self, *, workers: int, slots: int = 4) -> tuple[Process, list[Worker]]:
        """Start a supervisor and some workers; return when all are ready."""
        supervisor = self.supervise()
        started = [self.work(slots=slots) for _ in range(workers)]
        self.wait_for_workers(*started)
        self.wait_for_supervisors(1)
        return supervisor, started

    def wait_for_workers(self, *workers: Worker) -> None:
        wanted = {worker.id for worker in workers}
        query = "select id from fcs.workers where state = 'live'"
        eventually(lambda: {id for (id,) in self.rows(query)} >= wanted)

    def wait_for_supervisors(self, count: int) -> None:
        """Wait until one leads, and so many are there that lead or stand by."""
        if is_pooled(self.url):
            # Nobody's name is seen behind a pooler.
            said = ("supervisor ready", "stands by")
            eventually(lambda: self._count_logs(said) >= count)
            return
        query = """
            select count(*) filter (where application_name = 'fcs candidate'),
                   count(*) filter (where application_name = 'fcs supervisor mail')
              from pg_stat_activity
             where datname = current_database()
        """
        eventually(lambda: self.rows(query), until=lambda seen: seen == [(count, 1)])

    def _count_logs(self, said: Sequence[str]) -> int:
        """How many processes have said one of these words."""
        return sum(any(word in process.log() for word in said) for process in self.processes)

    # Tasks

    def create(
        self,
        ty: str,
        serials: Iterable[int],
        *,
        due_in: float | None = None,
        queue: str = "default",
        priority: int = 0,
        **arguments: Any,
    ) -> list[TaskId]:
        """Create a task for each serial number; return when they are durable."""
        due_at = None
        if due_in is not None:
            due_at = self.value("select fcs.now()") + timedelta(seconds=due_in)
        new = [
            new_task(ty, serial, queue=queue, priority=priority, scheduled_at=due_at, **arguments)
            for serial in serials
        ]
        return self._create(new)

    def create_bare(self, ty: str) -> TaskId:
        """Create a task without arguments, as those of the demo are."""
        [id] = self._create([NewTask(TaskId(new_task_id()), ty, b"{}")])
        return id

    def _create(self, new: Sequence[NewTask]) -> list[TaskId]:
        with psycopg.connect(self.own_url, autocommit=True) as db:
            tasks.create_sync(db, new)
        return [task.id for task in new]

    def status(self, id: TaskId) -> str:
        return str(self.value("select status::text from fcs.tasks where id = %(id)s", {"id": id}))

    def statuses(self) -> dict[int, str]:
        """The status of each task, by its serial number."""
        return dict(self.rows("select (args ->> 'serial')::int, status::text from fcs.tasks"))

    def wait_for_status(self, status: str, *serials: int) -> None:
        def are_there(seen: dict[int, str]) -> bool:
            return all(seen.get(serial) == status for serial in serials)

        eventually(self.statuses, until=are_there)

    def wait_until_settled(self) -> None:
        """Wait until every task has ended."""
        query = "select count(*) from fcs.tasks where due_at is not null or incarnation is not null"
        unfinished = self.value(query)
        while unfinished:
            # A long backlog takes its time; that nothing of it ends would be wrong.
            unfinished = eventually(
                lambda: self.value(query), until=partial(operator.gt, unfinished)
            )

    # Asking

    def rows(self, query: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Ask the database, over a new connection if the last one broke."""
        if self._db is not None:
            try:
                return self._db.execute(query, params).fetchall()
            except psycopg.OperationalError:
                self._db.close()
        self._db = psycopg.connect(self.own_url, autocommit=True)
        return self._db.execute(query, params).fetchall()

    def execute(self, statement: str, params: Mapping[str, Any] | None = None) -> None:
        with psycopg.connect(self.own_url, autocommit=True) as db:
            db.execute(statement, params)

    def value(self, query: str, params: Mapping[str, Any] | None = None) -> Any:
        [[value]] = self.rows(query, params)
        return value

    def ask(self, worker: Worker, path: str) -> Any:
        """What a worker's HTTP door answers."""
        query = "select listen from fcs.workers where id = %(id)s"
        address = self.value(query, {"id": worker.id})
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
            return json.load(answer)

    # The promise

    def assert_promise_kept(self, *, slots: int = 4) -> None:
        """Hold the rows against the ledger."""
        begun, ended = self.ledger.begun(), self.ledger.ended()
        assert [serial for serial, count in begun.items() if count > 1] == [], "ran twice"

        for serial, status in self.statuses().items():
            if status == "succeeded":
                assert ended[serial] == 1, f"{serial} succeeded, but its body did not return"
            elif status in ("pending", "dispatched"):
                assert begun[serial] == 0, f"{serial} is {status}, but its body began"

        query = """
            select (args ->> 'serial')::int, extract(epoch from scheduled_at)::float
              from fcs.tasks
             where scheduled_at is not null
        """
        scheduled = dict(self.rows(query))
        early = [
            entry
            for entry in self.ledger.entries()
            if entry.mark == "began" and entry.real_time < scheduled.get(entry.serial, 0.0)
        ]
        assert early == []
        assert max(self.ledger.most_at_once().values(), default=0) <= slots

    def assert_all_ran_once(self, load: "Load") -> None:
        """Wait for the end; then every acknowledged task has succeeded, and its body ran once."""
        self.wait_until_settled()
        statuses = self.statuses()
        assert statuses.keys() >= set(load.acknowledged)
        assert set(statuses.values()) == {"succeeded"}
        self.assert_promise_kept()


@contextmanager
def stopped_backends(cluster: Cluster, part: str) -> Iterator[None]:
    """Stop the server's side of connections, so that nothing arrives and nothing breaks."""
    query = """
        select pid
          from pg_stat_activity
         where datname = current_database()
           and application_name = %(part)s
    """
    pids = [pid for (pid,) in eventually(lambda: cluster.rows(query, {"part": part}))]
    for pid in pids:
        eventually(partial(stop_idle, cluster, pid))
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def stop_idle(cluster: Cluster, pid: int) -> bool:
    """Stop a backend, unless it is at work: it might hold what everybody needs."""
    os.kill(pid, signal.SIGSTOP)
    query = "select state from pg_stat_activity where pid = %(pid)s"
    if cluster.value(query, {"pid": pid}) == "idle":
        return True
    os.kill(pid, signal.SIGCONT)
    return False


class Load:
    """Clients that create tasks for as long as the block runs, whatever the database does.

    A create that was not acknowledged is sent again with the same ids until it is. With `ahead`
    every third task is scheduled, up to so many seconds ahead. The clients share out `queues`.
    """

    def __init__(
        self,
        url: str,
        *,
        clients: int = 2,
        ms_max: int = 300,
        ahead: float = 0.0,
        queues: Sequence[str] = ("default",),
    ) -> None:
        self._url, self._ms_max, self._ahead = url, ms_max, ahead
        self._queues = queues
        self._over, self._given_up = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._create_tasks, args=(number,)) for number in range(clients)
        ]
        self.acknowledged: list[int] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        if exc is not None:
            # The database of a failed test may never come back.
            self._given_up.set()
        for thread in self._threads:
            thread.join()

    def _create_tasks(self, number: int) -> None:
        rng, queue = Random(number), self._queues[number % len(self._queues)]
        serial = (number + 1) * 1_000_000
        db: SyncConnection | None = None
        while not self._over.wait(PAUSE):
            serial += 1
            ms = rng.randrange(self._ms_max + 1)
            moment = self._moment(rng, serial)
            new = new_task("nap", serial, queue=queue, scheduled_at=moment, ms=ms)
            acknowledged = False
            while not acknowledged and not self._given_up.is_set():
                try:
                    db = db or connect_sync(self._url, part="test load")
                    tasks.create_sync(db, [new])
                    acknowledged = True
                except (DatabaseUnavailable, psycopg.OperationalError):
                    db = None
                    self._over.wait(PAUSE)
            if acknowledged:
                self.acknowledged.append(serial)
        if db is not None:
            db.close()

    def _moment(self, rng: Random, serial: int) -> datetime | None:
        if not self._ahead or serial % 3:
            return None
        return datetime.now(UTC) + timedelta(seconds=rng.uniform(0, self._ahead))


def new_task(
    ty: str,
    serial: int,
    *,
    queue: str = "default",
    priority: int = 0,
    scheduled_at: datetime | None = None,
    options: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> NewTask:
    args = json.dumps({"serial": serial} | arguments, default=str).encode()
    new = NewTask(TaskId(new_task_id()), ty, args, queue, priority, scheduled_at)
    return replace(new, **(options or {}))


def _plain_environment() -> dict[str, str]:
    """Ours, without settings of fcs that were meant for something else."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FCS_")}
