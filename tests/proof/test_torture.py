"""The torture itself: its wires break where they are told to, and a short one violates nothing."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

import psycopg
import pytest
from tests.system.harness import eventually, new_task

from fcs.database import tasks
from fcs.database.connect import connect_sync
from fcs.domain.task import NewTask
from proof.torture import events, havoc
from proof.torture.cluster import Patience, Plan
from proof.torture.frames import Frames
from proof.torture.keeper import Keeper
from proof.torture.run import run
from proof.torture.servers import Servers
from proof.torture.wire import Board, Cut, Healing, Trap, Wire
from proof.torture.world import World

SHORT = Plan(
    seed=1,
    seconds=10.0,
    rate=60.0,
    pause=0.1,
    ahead=3.0,
    pause_max=2.5,
    rest_max=60.0,
    settings={"FCS_LEASE": "4", "FCS_LEADER_LEASE": "3"},
)


@pytest.mark.slow
@pytest.mark.xdist_group("torture")
def test_under_faults_of_every_kind_the_promise_is_kept(tmp_path: Path) -> None:
    found = run(tmp_path / "books", SHORT)

    assert found.violations == 0
    assert found.chances >= 200, "too few tasks to show anything"
    assert sum(found.faults.values()) >= 15, "too few faults to show anything"
    assert len(found.faults) >= 8
    book = [
        json.loads(line) for line in (tmp_path / "books" / "nemesis.jsonl").read_text().splitlines()
    ]
    [over] = [line["boot"] for line in book if line.get("name") == "faults over"]
    switched = [line for line in book if line.get("kind") == "mode" and line["boot"] > over]
    assert switched, "the judge does not know of the last election"


def test_a_cluster_that_catches_up_slowly_does_not_hang() -> None:
    patience = Patience(150.0, at=0.0)
    for at in range(0, 1_000, 100):
        patience.saw(10_000 - at, at=float(at))
        assert not patience.is_over(at + 149.0)

    patience.saw(9_100, at=1_000.0)
    assert patience.is_over(1_050.0)


@pytest.mark.nightly
def test_whoever_ends_a_torture_ends_all_that_it_has_started(tmp_path: Path) -> None:
    books = tmp_path / "books"
    torture = subprocess.Popen(
        [sys.executable, "-m", "proof", "torture", "--minutes", "5", "--keep", str(books)],
        stdout=subprocess.DEVNULL,
    )
    eventually(lambda: (books / "clients-1.jsonl").exists() and len(those_who_name(books)) > 4)

    torture.terminate()

    assert torture.wait() == 128 + signal.SIGTERM
    assert those_who_name(books) == []


def those_who_name(folder: Path) -> list[int]:
    """Processes that were given this folder, on their command line or in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in told:
                found.append(int(process.name))
    return found


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    board = Board(database_url, secret="canary")
    try:
        yield board.wire(Random(1))
    finally:
        board.close()


@contextmanager
def session(wire: Wire) -> Iterator[psycopg.Connection[Any]]:
    db = connect_sync(wire.url, part="test")
    try:
        yield db
    finally:
        db.close()


@pytest.mark.direct
@pytest.mark.parametrize(
    ("cut", "is_done"), [(Cut.AFTER, True), (Cut.LATE, True), (Cut.BEFORE, False)]
)
def test_a_connection_breaks_at_a_statement(
    wire: Wire, database_url: str, cut: Cut, is_done: bool
) -> None:
    sprung: list[str] = []
    new = new_task("nap", 1)
    with session(wire) as db:
        wire.arm(Trap("create", cut, 0.05, lambda: sprung.append("sprung")))
        db.execute("select 1")
        assert sprung == []
        with pytest.raises(psycopg.OperationalError):
            tasks.create_sync(db, [new])
    assert sprung == ["sprung"]
    if is_done:
        eventually(lambda: is_there(database_url, new))
    # It springs once; what is sent again arrives.
    with session(wire) as db:
        assert tasks.create_sync(db, [new]) == int(not is_done)


def is_there(url: str, new: NewTask) -> bool:
    with psycopg.connect(url) as db:
        found = db.execute("select from fcs.tasks where id = %s", [new.id]).fetchone()
        return found is not None


@pytest.mark.direct
@pytest.mark.parametrize("healing", [Healing.LATE, Healing.BROKEN])
def test_a_silent_wire_tells_nobody_until_it_heals(wire: Wire, healing: Healing) -> None:
    with session(wire) as db:
        wire.silence()
        db.pgconn.send_query(b"select 1")
        db.pgconn.flush()
        assert not has_answered(db)
        wire.heal(healing)
        eventually(lambda: has_answered(db) or db.pgconn.status == psycopg.pq.ConnStatus.BAD)
        assert (db.pgconn.status == psycopg.pq.ConnStatus.OK) == (healing is Healing.LATE)


def has_answered(db: psycopg.Connection[Any]) -> bool:
    try:
        db.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return not db.pgconn.is_busy()


@pytest.mark.direct
def test_a_reset_breaks_what_is_there_and_nothing_later(wire: Wire) -> None:
    with session(wire) as db:
        wire.reset()
        with pytest.raises(psycopg.OperationalError):
            db.execute("select 1")
    with session(wire) as db:
        assert db.execute("select 1").fetchone() == (1,)


def test_messages_are_cut_out_of_whatever_comes_at_once() -> None:
    greeting = (8).to_bytes(4, "big") + (196_608).to_bytes(4, "big")
    said = [greeting, *(b"Q" + (4 + size).to_bytes(4, "big") + b"x" * size for size in (3, 0, 9))]
    whole = b"".join(said)
    for size in range(1, len(whole) + 1):
        frames = Frames()
        found = [
            frame.data
            for start in range(0, len(whole), size)
            for frame in frames.feed(whole[start : start + size])
        ]
        assert found == said


def test_the_clock_jumps_for_everybody_and_is_set_right_again(database_url: str) -> None:
    [(clock,)] = ask(database_url, "select pg_get_functiondef('fcs.now'::regproc)")
    world = world_of(database_url, clock=clock)
    off = "select abs(extract(epoch from fcs.now() - clock_timestamp())) > 0.5"
    with psycopg.connect(database_url, autocommit=True) as other:
        assert other.execute(off).fetchone() == (False,)
        struck = havoc.set_clock(world, Random(1))
        assert struck
        assert struck.undo
        assert other.execute(off).fetchone() == (True,)
        struck.undo()
        assert other.execute(off).fetchone() == (False,)
    assert ask(database_url, "select pg_get_functiondef('fcs.now'::regproc)") == [(clock,)]


def test_a_locked_table_cannot_be_read(database_url: str) -> None:
    struck = havoc.lock(world_of(database_url), Random(1))
    assert struck
    assert struck.undo
    look = f"set lock_timeout = '20ms'; select from {struck.detail['table']}"
    with pytest.raises(psycopg.errors.LockNotAvailable):
        ask(database_url, look)
    struck.undo()
    eventually(lambda: can(lambda: ask(database_url, look)))


def can(act: Callable[[], object]) -> bool:
    try:
        act()
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def test_each_change_of_a_status_is_noted_in_order(database_url: str, tmp_path: Path) -> None:
    events.set_up(database_url)
    new = new_task("nap", 7)
    with psycopg.connect(database_url, autocommit=True) as db:
        tasks.create_sync(db, [new])
        tasks.cancel_sync(db, [new.id], reason="")
    events.dump(database_url, tmp_path)
    noted = ask(database_url, "select before, after from proof.events order by no")
    assert noted == [(None, "pending"), ("pending", "cancelled")]
    assert f'"id": "{new.id}"' in (tmp_path / "tasks.jsonl").read_text()


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        cursor = db.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


class Place(NamedTuple):
    """A database, for a world of nothing else."""

    place: str

    def url(self) -> str:
        return self.place


def world_of(url: str, *, clock: str = "") -> World:
    return World(
        keeper=cast(Keeper, None),
        servers=cast(Servers, Place(url)),
        board=cast(Board, None),
        clients={},
        clock=clock,
        sprung=lambda *_, **__: None,
    )
