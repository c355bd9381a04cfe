"""What waits starts: behind a million rows, beside hostile ones, and when no hint arrives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import DataError, IntegrityError, sql
from tests.system.harness import Cluster, eventually, stopped_backends

from fcs.domain.hints import SUPERVISOR_CHANNEL, report, worker_channel
from fcs.domain.ids import Incarnation

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
A_CENTURY = 100 * 365 * 86_400.0
UNFINISHED = {"pending", "dispatched", "running"}

GARBAGE = [
    "",
    " ",
    "tasks",
    "tasks x",
    "tasks " + " ".join(str(uuid4()) for _ in range(200)),
    "scan please",
    "scan",
    "workers",
    "report",
    "report x y z w",
    f"report {uuid4()} 1 2 3",
    f"report {uuid4()} -1 99999999999999999999999 0",
    "report " + "9" * 7_000,
    '{"type": "TaskCreated", "task_id": null}',
    "\x01\x1b[31mred\n\r\t",
    "💥 ünïcode \u202e",
    "x" * 7_999,
    "' ; drop table fcs.tasks; --",
]

# As SQL expressions.
HOSTILE_ARGS = [
    "'[1]'",
    "'\"serial\"'",
    "'7'",
    "'null'",
    "'{}'",
    "'{\"serial\": null}'",
    '\'{"serial": "one"}\'',
    '\'{"serial": 1, "seriall": 2}\'',
    '\'{"serial": 1, "ty": "hold"}\'',
    "'{\"serial\": ' || repeat('[', 3000) || repeat(']', 3000) || '}'",
    "'{\"serial\": ' || repeat('9', 5000) || '}'",
    "'{\"serial\": \"' || repeat('x', 1000000) || '\"}'",
]
HOSTILE_WORDS = [" ", "a\nb", "\x1b[31mred", "'; drop table fcs.tasks; --", "💥\u202e", "x" * 100]

SENSELESS: list[dict[str, Any]] = [
    {"status": "succeeded"},
    {"status": "dispatched"},
    {"status": "running", "due_at": None},
    {"status": "pending", "due_at": None},
    {"status": "pending", "incarnation": str(uuid4())},
    {"status": "failed", "due_at": None, "incarnation": str(uuid4())},
    {"scheduled_at": "infinity"},
    {"scheduled_at": "294276-01-01 00:00+00"},
    {"scheduled_at": "0044-03-15 00:00+00 BC"},
    {"scheduled_at": "2900-01-01 00:00+00", "due_at": "2100-01-01 00:00+00"},
    {"due_at": "infinity"},
    {"created_at": "-infinity"},
    {"ty": ""},
    {"ty": "x" * 201},
    {"queue": ""},
    {"priority": 10**9},
    {"status": "done"},
]


@pytest.mark.parametrize("many", [30_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_a_new_urgent_task_overtakes_a_long_backlog(
    database_url: str, tmp_path: Path, many: int
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        fill(cluster, "nap", many)
        fill(cluster, "nobody_knows_this", many // 3, older_by="1 day")
        [far_away] = cluster.create("nap", [-1], due_in=A_CENTURY)
        supervisor, _ = cluster.start(workers=1)
        cluster.ledger.wait_count(10)

        [urgent] = cluster.create("nap", [-2], priority=9)
        eventually(lambda: cluster.status(urgent) == "succeeded")

        assert cluster.status(far_away) == "pending"
        waiting = "select count(*) from fcs.tasks where ty = 'nap' and status = 'pending'"
        assert cluster.value(waiting) > many // 2
        assert supervisor.memory_peak() < 150 * MEGABYTE


def test_a_task_behind_thousands_of_idle_lanes_is_found(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.execute(
            """
            insert into fcs.tasks (id, ty, queue)
            select gen_random_uuid(), 'nobody_knows_this', 'customer ' || no
              from generate_series(1, 6000) as no
            """
        )
        insert_by_hand(cluster, "nap", """ '{"serial": 1}' """, queue="the last customer")
        cluster.start(workers=1)
        cluster.ledger.wait_begun(1)


def test_a_type_that_nobody_knows_waits_and_status_says_so(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=1)
        [unknown] = cluster.create("novelty", [0])
        cluster.create("nap", range(1, 10))
        cluster.wait_for_status("succeeded", *range(1, 10))
        assert cluster.status(unknown) == "pending"

        status = cluster.run("status", "--database", database_url)
        status.exit_code()
        assert "novelty" in status.log()


def test_tasks_of_a_new_type_go_to_the_workers_that_know_it(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=2)
        cluster.create("novelty", range(30))
        newer = cluster.work(app="bodies:newer")
        cluster.wait_until_settled()
        assert cluster.statuses() == dict.fromkeys(range(30), "succeeded")
        assert cluster.rows("select distinct worker_id from fcs.tasks") == [(newer.id,)]
        cluster.assert_promise_kept()


@pytest.mark.direct  # through a pooler no hint reaches anybody, whatever is tested
def test_tasks_start_when_no_hint_reaches_the_supervisor(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=1)
        with stopped_backends(cluster, "fcs supervisor mail"):
            cluster.create("nap", range(20))
            cluster.wait_for_status("succeeded", *range(20))
        cluster.assert_promise_kept()


@pytest.mark.direct  # the same
def test_tasks_start_when_no_hint_reaches_the_worker(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=1)
        with stopped_backends(cluster, "fcs worker mail"):
            cluster.create("nap", range(12))
            cluster.wait_for_status("succeeded", *range(12))
        cluster.assert_promise_kept()


def test_garbage_and_forged_hints_stop_nobody(database_url: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=2)
        [finished] = cluster.create("nap", [0])
        [waiting] = cluster.create("nap", [1], due_in=3)
        workers = [row[0] for row in cluster.rows("select incarnation from fcs.workers")]
        for channel in (SUPERVISOR_CHANNEL, *map(worker_channel, workers)):
            garbage = [*GARBAGE, f"{finished} {waiting}", *forged_reports(workers)]
            notify(cluster, channel, garbage * 100)
            notify(cluster, channel, [invented_tasks() for _ in range(500)])

        # Every slot is found again: so many can only run side by side.
        cluster.create("hold", range(100, 108), gate=str(gate))
        cluster.ledger.wait_begun(*range(100, 108))
        gate.touch()
        cluster.wait_until_settled()
        assert set(cluster.statuses().values()) == {"succeeded"}
        cluster.assert_promise_kept()


def test_rows_made_by_hand_fail_and_hurt_nobody(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=1)
        listening = cluster.work("--listen", "127.0.0.1:0")
        cluster.wait_for_workers(listening)
        for args in HOSTILE_ARGS:
            insert_by_hand(cluster, "nap", args)
        for ty in HOSTILE_WORDS:
            insert_by_hand(cluster, ty, "'{}'")
        for queue in HOSTILE_WORDS:
            insert_by_hand(cluster, "nap", "'{\"serial\": 1}'", queue=queue, priority=32_767)

        query = "select status::text, error from fcs.tasks where ty = 'nap' and queue = 'default'"
        failed = eventually(
            lambda: cluster.rows(query),
            until=lambda rows: all(status not in UNFINISHED for status, _ in rows),
        )
        assert {status for status, _ in failed} == {"failed"}
        assert all(error.startswith("never started: ") for _, error in failed)

        query = "select distinct status::text from fcs.tasks where queue <> 'default'"
        eventually(lambda: cluster.rows(query) == [("succeeded",)])
        query = "select distinct status::text from fcs.tasks where ty <> 'nap'"
        assert cluster.rows(query) == [("pending",)]
        rows = len(HOSTILE_ARGS) + 2 * len(HOSTILE_WORDS)
        assert len(cluster.ask(listening, "/tasks?limit=100")) == rows
        assert cluster.ledger.begun() == {1: len(HOSTILE_WORDS)}


def test_rows_that_make_no_sense_are_refused(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as db:
        for columns in SENSELESS:
            row = {"id": uuid4(), "ty": "nap"} | columns
            insert = sql.SQL("insert into fcs.tasks ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(map(sql.Placeholder, row)),
            )
            with pytest.raises((IntegrityError, DataError)):
                db.execute(insert, row)


def fill(cluster: Cluster, ty: str, count: int, *, older_by: str = "1 hour") -> None:
    """Insert so many tasks at once, with ids that sort by time as ours do."""
    cluster.execute(
        """
        insert into fcs.tasks (id, ty, args, due_at)
        select (lpad(to_hex(1700000000000 + no), 12, '0') || left(md5(%(ty)s || no), 20))::uuid,
               %(ty)s,
               jsonb_build_object('serial', no, 'ms', 20),
               fcs.now() - %(older_by)s::interval + no * interval '1 microsecond'
          from generate_series(1, %(count)s::bigint) as no
        """,
        {"ty": ty, "count": count, "older_by": older_by},
    )


def insert_by_hand(
    cluster: Cluster, ty: str, args: str, *, queue: str = "default", priority: int = 0
) -> None:
    """Insert a row as people do, without a word to anybody. `args` is an SQL expression."""
    cluster.execute(
        f"""
        insert into fcs.tasks (id, ty, args, queue, priority)
             values (gen_random_uuid(), %(ty)s, ({args})::jsonb, %(queue)s, %(priority)s)
        """,
        {"ty": ty, "queue": queue, "priority": priority},
    )


def forged_reports(workers: Sequence[Incarnation]) -> list[str]:
    """Reports as those workers will never have sent, from ever so far ahead."""
    huge = 2**61
    return [
        report(worker, huge, busy, taken)
        for worker in workers
        for busy in (0, huge)
        for taken in (0, huge)
    ]


def invented_tasks() -> str:
    return " ".join(str(uuid4()) for _ in range(200))


def notify(cluster: Cluster, channel: str, payloads: Sequence[str]) -> None:
    with psycopg.connect(cluster.own_url, autocommit=True) as db:
        for payload in payloads:
            db.execute("select pg_notify(%s, %s)", [channel, payload])
