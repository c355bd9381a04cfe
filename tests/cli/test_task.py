"""`fcs task`: tasks from the shell."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.cli.said import Fcs, Said

from fcs.database import workers
from fcs.database.connect import Connection
from fcs.database.workers import Registration
from fcs.domain.ids import Incarnation, WorkerId

Rows = psycopg.Connection[tuple[Any, ...]]


def put(rows: Rows, ty: str = "baz", **changes: Any) -> UUID:
    """Write a task down as it might have become."""
    values: dict[str, Any] = {"id": uuid4(), "ty": ty} | changes
    if values.get("status", "pending") != "pending":
        values["due_at"] = None
    if values.get("status") in ("dispatched", "running"):
        values["incarnation"] = uuid4()
    names, places = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    rows.execute(f"insert into fcs.tasks ({names}) values ({places})".encode(), values)
    found: UUID = values["id"]
    return found


def column(rows: Rows, name: str, id: str) -> Any:
    [value] = rows.execute(f"select {name} from fcs.tasks where id = %s".encode(), [id]).fetchone()  # type: ignore[misc]
    return value


async def register(db: Connection, *types: str) -> None:
    registration = Registration(
        id=WorkerId(uuid4()),
        incarnation=Incarnation(uuid4()),
        slots_total=1,
        queues=[],
        types=list(types),
        host="here",
        pid=1,
        version="1",
        listen=None,
    )
    assert await workers.register(db, registration, replaces=None)


# --- create ---


def test_create_prints_the_id_and_nothing_else(fcs: Fcs, rows: Rows) -> None:
    said = fcs("task", "create", "baz")
    assert column(rows, "status", said.out.strip()) == "pending"
    assert said.err == ""


def test_create_as_json(fcs: Fcs, rows: Rows) -> None:
    assert column(rows, "ty", fcs("task", "create", "baz", "-o", "json").json["id"]) == "baz"


def test_create_with_everything(fcs: Fcs, rows: Rows) -> None:
    options = ["--queue", "mail", "--priority", "-5", "--at", "2031-05-17T09:00:00+02:00",
               "--limit-key", "ann"]  # fmt: skip
    id = fcs("task", "create", "baz", *options).out.strip()
    assert column(rows, "queue", id) == "mail"
    assert column(rows, "priority", id) == -5
    assert column(rows, "limit_key", id) == "ann"
    assert column(rows, "scheduled_at", id).isoformat() == "2031-05-17T07:00:00+00:00"


def test_create_with_the_whole_life(fcs: Fcs, rows: Rows) -> None:
    options = ["--max-attempts", "5", "--timeout", "1m30s", "--on-interrupt", "retry"]
    id = fcs("task", "create", "baz", *options, "--delay", "1h").out.strip()
    shown = fcs("task", "show", id, "-o", "json").json
    assert (shown["max_attempts"], shown["timeout"], shown["on_interrupt"]) == (5, 90, "retry")
    assert shown["due_at"] == shown["scheduled_at"] > shown["created_at"]


def test_in_is_counted_by_the_clock_of_the_database(fcs: Fcs, rows: Rows) -> None:
    rows.execute(
        b"do $$ begin execute format('alter database %I set fcs.now = %L',"
        b" current_database(), '2018-01-01 12:00+00'); end $$"
    )
    id = fcs("task", "create", "baz", "--in", "1h30m").out.strip()
    assert column(rows, "scheduled_at", id).isoformat() == "2018-01-01T13:30:00+00:00"


def test_arguments_are_checked_against_the_function(fcs: Fcs, rows: Rows) -> None:
    assert "`x` is not known" in fcs("task", "create", "baz", "--arg", "x=1").fails(2)
    assert rows.execute("select count(*) from fcs.tasks").fetchone() == (0,)


def test_type_that_nobody_knows(fcs: Fcs) -> None:
    assert "Did you mean 'baz'?" in fcs("task", "create", "bax").fails(2)
    assert "--app" in fcs("task", "create", "something_else").fails(2)


async def test_type_that_only_a_live_worker_knows(fcs: Fcs, db: Connection, rows: Rows) -> None:
    await register(db, "resize")

    said = await in_thread(fcs, "task", "create", "resize", "--arg", "width=5", "--arg", "to=ann")
    assert "not checked" in said.err
    assert column(rows, "args", said.out.strip()) == {"width": 5, "to": "ann"}

    said = await in_thread(fcs, "-q", "task", "create", "resize")
    assert said.err == ""

    said = await in_thread(fcs, "task", "create", "rezise")
    assert "Did you mean 'resize'?" in said.fails(2)


async def in_thread(fcs: Fcs, *arguments: str) -> Said:
    """A verb has an event loop of its own."""
    return await asyncio.to_thread(fcs, *arguments)


# --- list ---


def test_list_is_newest_first_and_bounded(fcs: Fcs) -> None:
    ids = [fcs("task", "create", "baz").out.strip() for _ in range(3)]
    listed = fcs("task", "list", "--limit", 2, "-o", "json").json
    assert [task["id"] for task in listed] == [ids[2], ids[1]]


@pytest.mark.parametrize(
    ("option", "value"), [("--status", "failed"), ("--type", "foo"), ("--queue", "mail")]
)
def test_list_is_filtered(fcs: Fcs, rows: Rows, option: str, value: str) -> None:
    put(rows)
    wanted = put(rows, "foo", status="failed", queue="mail")
    listed = fcs("task", "list", option, value, "-o", "json").json
    assert [task["id"] for task in listed] == [str(wanted)]


def test_list_of_lines_has_one_document_a_line(fcs: Fcs, rows: Rows) -> None:
    ids = {str(put(rows)) for _ in range(3)}
    lines = fcs("task", "list", "-o", "jsonl").out.splitlines()
    assert {json.loads(line)["id"] for line in lines} == ids


def test_document_is_that_of_the_http_door(fcs: Fcs) -> None:
    from fcs.http.wire import FullTaskDocument

    id = fcs("task", "create", "baz").out.strip()
    document = fcs("task", "show", id, "-o", "json").json
    names = [name if name != "definition" else "def" for name in FullTaskDocument.__struct_fields__]
    assert list(document) == names
    assert document["def"] == {"ty": "baz"}
    assert document["created_at"].endswith("Z")


def test_table_is_aligned(fcs: Fcs, rows: Rows) -> None:
    put(rows, "a_long_name_of_a_type")
    put(rows, "baz")
    head, *lines = fcs("task", "list").out.splitlines()
    at = head.index("STATUS")
    assert [line[at:].split()[0] for line in lines] == ["pending", "pending"]


def test_nothing_to_list(fcs: Fcs) -> None:
    assert fcs("task", "list", "-o", "json").json == []
    assert fcs("task", "list", "-o", "jsonl").out == ""
    assert fcs("task", "list").out.startswith("ID")


def test_what_others_wrote_cannot_play_with_the_terminal(fcs: Fcs, rows: Rows) -> None:
    hostile = "\x1b[2Jgone\r\nID  \u202efake"
    id = put(rows, hostile, status="failed", error=hostile)
    for said in (fcs("task", "list"), fcs("task", "show", id)):
        assert said.code == 0
        assert not {"\x1b", "\r", "\u202e"} & set(said.out)
        assert "\\x1b[2Jgone" in said.out


def test_row_with_arguments_that_nobody_can_read(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, args="[1, 2]")
    assert fcs("task", "show", id, "-o", "json").json["def"]["args_unreadable"] is True


# --- show ---


def test_show_finds_a_task_by_the_beginning_of_its_id(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, id=UUID("0193a7c4-0000-7000-8000-000000000001"))
    put(rows, id=UUID("0193a7c5-0000-7000-8000-000000000001"))
    for beginning in ("0193a7c4", "0193A7C4-0000", str(id), id.hex):
        assert fcs("task", "show", beginning, "-o", "json").json["id"] == str(id)


def test_beginning_of_two_ids_is_refused(fcs: Fcs, rows: Rows) -> None:
    ids = [put(rows, id=UUID(f"0193a7c{n}-0000-7000-8000-000000000001")) for n in (4, 5)]
    said = fcs("task", "show", "0193a7c").fails(2)
    assert all(str(id) in said for id in ids)


@pytest.mark.parametrize("verb", ["show", "wait", "delete", "cancel", "retry", "attempts"])
def test_task_that_is_not_there(fcs: Fcs, verb: str) -> None:
    assert "there is no task" in fcs("task", verb, uuid4()).fails(4)


@pytest.mark.parametrize("id", ["", "-", "xyz", "0" * 33, "%", "' or 1=1"])
def test_what_cannot_be_an_id(fcs: Fcs, id: str) -> None:
    fcs("task", "show", "--", id).fails(2)


def test_late_report_is_shown(fcs: Fcs, rows: Rows) -> None:
    run = uuid4()
    id = put(rows, status="interrupted", run_id=run, error="silent")
    rows.execute(
        "insert into fcs.late_reports (run_id, task_id, status) values (%s, %s, 'succeeded')",
        [run, id],
    )
    assert "succeeded at" in fcs("task", "show", id).out
    assert fcs("task", "show", id, "-o", "json").json["late_report"]["status"] == "succeeded"


# --- wait, delete ---


def test_wait_for_a_task_that_succeeded(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, status="succeeded")
    assert fcs("task", "wait", id, "-o", "json").json["status"] == "succeeded"


@pytest.mark.parametrize("status", ["failed", "interrupted", "cancelled"])
def test_wait_for_a_task_that_did_not(fcs: Fcs, rows: Rows, status: str) -> None:
    id = put(rows, status=status, error="ouch")
    said = fcs("task", "wait", id, "-o", "json")
    assert "ouch" in said.fails(1)
    assert json.loads(said.out)["status"] == status


def test_wait_gives_up(fcs: Fcs, rows: Rows) -> None:
    assert "pending" in fcs("task", "wait", put(rows), "--timeout", "10ms").fails(75)


@pytest.mark.parametrize("status", ["pending", "dispatched", "failed"])
def test_delete(fcs: Fcs, rows: Rows, status: str) -> None:
    id = put(rows, status=status)
    assert fcs("task", "delete", id, "-o", "json").json == {"id": str(id), "deleted": True}
    fcs("task", "delete", id).fails(4)


def test_delete_of_a_running_task_is_a_conflict(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, status="running")
    assert "is running" in fcs("task", "delete", id).fails(5)
    assert column(rows, "status", str(id)) == "running"


def test_the_same_under_the_same_key_is_one_task(fcs: Fcs, rows: Rows) -> None:
    first = fcs("task", "create", "baz", "--key", "order-17", "--in", "5m")
    again = fcs("task", "create", "baz", "--key", "order-17", "--in", "5m")

    assert first.out == again.out
    assert first.err == ""
    assert "used before" in again.err
    assert column(rows, "key", first.out.strip()) == "order-17"
    assert "order-17" in fcs("task", "create", "foo", "--key", "order-17").fails(5)


def test_what_is_no_key_is_refused(fcs: Fcs) -> None:
    assert "idempotency key" in fcs("task", "create", "baz", "--key", "").fails(2)


def test_a_task_waits_for_others(fcs: Fcs, rows: Rows) -> None:
    first = fcs("task", "create", "baz").out.strip()
    second = fcs("task", "create", "baz", "--after", first, "--when-needs-fail", "run").out.strip()

    assert column(rows, "open_needs", second) == 1
    assert column(rows, "needs_may_fail", second)
    assert "wait for" in fcs("task", "delete", first).fails(5)
    assert "no task" in fcs("task", "create", "baz", "--after", str(uuid4())).fails(4)
