"""Rows that somebody writes by hand: what would mislead every reader cannot be stored."""

import psycopg
import pytest
from tests.database.scene import NOON, add_tasks, add_workers, incarnation, new, rows, task_id

from fcs.database import backlog, insights, tasks
from fcs.database.connect import Connection, connect

ROW = "insert into fcs.tasks (id, ty, {column}) values (gen_random_uuid(), 'baz', {value})"


async def refused(db: Connection, statement: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as error:
        async with db.transaction():
            await db.execute(statement.encode())
    return error.value


@pytest.mark.parametrize(
    "value",
    ["infinity", "-infinity", "9000-01-01 00:00Z", "9999-12-31", "294276-12-31",
     "1969-12-31 23:59Z", "0044-03-15 BC"],
)  # fmt: skip
@pytest.mark.parametrize("column", ["scheduled_at", "created_at", "updated_at", "started_at"])
async def test_times_that_no_reader_can_read(db: Connection, column: str, value: str) -> None:
    """F-63: one such row would kill every scan."""
    error = await refused(db, ROW.format(column=column, value=f"'{value}'"))

    assert error.sqlstate == "23514"


@pytest.mark.parametrize("value", ["infinity", "9000-01-01"])
async def test_a_due_time_that_no_reader_can_read(db: Connection, value: str) -> None:
    assert (await refused(db, ROW.format(column="due_at", value=f"'{value}'"))).sqlstate == "23514"


@pytest.mark.parametrize(
    ("column", "value", "sqlstate"),
    [
        ("queue", "''", "23514"),
        ("queue", "repeat('q', 101)", "23514"),
        ("queue", "null", "23502"),
        ("priority", "40000", "22003"),
        ("priority", "null", "23502"),
        ("status", "'done'", "22P02"),
        ("status", "null", "23502"),
        ("status", "'dispatched'", "23514"),
        ("status", "'succeeded'", "23514"),  # its due time must go with it
        ("incarnation", "gen_random_uuid()", "23514"),
        ("due_at", "null", "23514"),
        ("args", "null", "23502"),
        ("args", "'nonsense'", "22P02"),
        ("args", r"""'{"x": "\u0000"}'""", "22P05"),
        ("args", r"""'{"x": "\ud800"}'""", "22P02"),
        ("args", "jsonb_build_object('x', repeat('y', 5000000))", "23514"),
    ],
)
async def test_columns_that_make_no_sense(
    db: Connection, column: str, value: str, sqlstate: str
) -> None:
    assert (await refused(db, ROW.format(column=column, value=value))).sqlstate == sqlstate


@pytest.mark.parametrize("ty", ["''", "repeat('t', 201)", "null"])
async def test_types_that_make_no_sense(db: Connection, ty: str) -> None:
    await refused(db, f"insert into fcs.tasks (id, ty) values (gen_random_uuid(), {ty})")


async def test_no_table_refers_to_another(shared_url: str) -> None:
    """F-88: a foreign key would lock the row that it points to, at each change of a task."""
    async with await connect(shared_url, part="test") as db:
        keys = await rows(
            db,
            "select conname from pg_constraint"
            " where contype = 'f' and connamespace = 'fcs'::regnamespace",
        )
    assert keys == []


async def test_a_text_with_a_zero_byte_cannot_be(db: Connection) -> None:
    """F-92."""
    with pytest.raises(psycopg.DataError):
        await tasks.create(db, [new(1, ty="a\0b")])


async def test_a_task_cannot_be_due_before_it_is_scheduled(db: Connection) -> None:
    """EARLY."""
    await add_tasks(db, 1, scheduled_at=NOON)

    for statement in (
        "update fcs.tasks set due_at = scheduled_at - interval '1 us'",
        "update fcs.tasks set scheduled_at = due_at + interval '1 us'",
    ):
        assert (await refused(db, statement)).sqlstate == "23514"


async def test_a_running_task_belongs_to_somebody(db: Connection) -> None:
    """OWNER: a row that nobody holds could never be reaped."""
    await add_tasks(db, 1)
    statement = "update fcs.tasks set status = 'running', due_at = null"

    assert (await refused(db, statement)).sqlstate == "23514"


async def test_the_least_that_one_writes_by_hand_is_a_good_task(db: Connection) -> None:
    await db.execute(
        "insert into fcs.tasks (id, ty) values (%s, 'by hand'), (%s, 'too')",
        [task_id(1), task_id(2)],
    )

    assert len(await backlog.find(db, [task_id(1), task_id(2)])) == 2
    view = await insights.find_task(db, task_id(1))
    assert view is not None
    assert (view.args_text, view.created_at) == ("{}", NOON)


@pytest.mark.parametrize(
    "args",
    [
        '{"n": ' + "9" * 5_000 + "}",
        '{"f": 1e400}',
        '{"deep": ' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"": "", " ": null}',
        "[]",
        "null",
    ],
    ids=["5000 digits", "1e400", "depth 5000", "odd names", "a list", "null"],
)
async def test_arguments_that_would_break_a_reader_are_read_as_text(
    db: Connection, args: str
) -> None:
    """F-92: a row by hand cannot kill a scan, because nobody decodes it on the way."""
    await add_workers(db, 7)
    await db.execute(
        "insert into fcs.tasks (id, ty, args, status, incarnation, due_at) "
        "values (%s, 'baz', %s, 'dispatched', %s, null)",
        [task_id(1), args, incarnation(7)],
    )

    [fetched] = await tasks.fetch(db, incarnation(7), [task_id(1)], limit=1)
    [listed] = await insights.list_tasks(db, limit=1)
    assert fetched.args_text == listed.args_text


@pytest.mark.parametrize("slots", [0, -1])
async def test_a_worker_without_slots_cannot_be(db: Connection, slots: int) -> None:
    error = await refused(
        db,
        "insert into fcs.workers (id, incarnation, slots_total, queues, types) "
        f"values (gen_random_uuid(), gen_random_uuid(), {slots}, '{{}}', '{{}}')",
    )
    assert error.sqlstate == "23514"


async def test_one_incarnation_is_one_worker(db: Connection) -> None:
    """F-37."""
    await add_workers(db, 7, 8)

    error = await refused(
        db, f"update fcs.workers set incarnation = '{incarnation(7)}' where pid = 8"
    )
    assert error.sqlstate == "23505"


@pytest.mark.parametrize(
    "change",
    [
        "ty = ''",
        "queue = repeat('q', 101)",
        "limit_key = repeat('k', 201)",
        "args = jsonb_build_object('x', repeat('y', 5000000))",
        "max_attempts = 0",
        "max_attempts = 10001",
        "timeout = 0",
        "updated_at = 'infinity'",
        "due_at = '9000-01-01'",
        "open_needs = -1",
        "open_needs = 1",  # it waits for others, or for its time
        "cancel_level = 'hope'",
        "attempt = 1",  # none would be left to begin with
    ],
)
async def test_a_good_task_cannot_be_spoilt_later(db: Connection, change: str) -> None:
    await add_tasks(db, 1)

    assert (await refused(db, f"update fcs.tasks set {change}")).sqlstate == "23514"


@pytest.mark.parametrize("status", ["dispatched", "running", "succeeded"])
async def test_a_task_that_waits_for_others_does_nothing_else(db: Connection, status: str) -> None:
    await add_tasks(db, 1)
    await db.execute("update fcs.tasks set open_needs = 1, due_at = null")
    holder = "null" if status == "succeeded" else "gen_random_uuid()"
    statement = f"update fcs.tasks set status = '{status}', incarnation = {holder}"

    assert (await refused(db, statement)).sqlstate == "23514"


async def test_no_constraint_on_one_value_is_read_at_each_change(db: Connection) -> None:
    """Each statement that writes to the table reads the text of all its constraints anew, and
    checks every row by all of them; what concerns one value belongs into a domain."""
    found = await rows(
        db,
        "select conname as name from pg_constraint "
        "where conrelid = 'fcs.tasks'::regclass and contype = 'c' and cardinality(conkey) < 2",
    )

    assert found == []
