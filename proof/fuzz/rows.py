"""Hostile rows: what somebody can insert into `fcs.tasks` by hand, while tasks go on.

No process may end over them. Each row that is shown is shown with what cannot be read marked so;
each that says it is on its way or running ends, or goes back to waiting, as the truth is.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from tests.system.harness import eventually

from proof.fuzz.report import Report
from proof.fuzz.scene import Scene
from proof.fuzz.wire import exchange, request

WAITS: Final = ("pending",)
ENDED: Final = ("succeeded", "failed", "interrupted", "cancelled")
ANY: Final = (*WAITS, *ENDED)
FINE: Final = ("succeeded",)

ON_ITS_WAY: Final[dict[str, Any]] = {"status": "dispatched", "due_at": None}
RUNS: Final[dict[str, Any]] = {"status": "running", "due_at": None, "attempt": 1}
LEAST, MOST = -(2**31), 2**31 - 1


class Row(NamedTuple):
    """`columns` beside an id and a type, and in what statuses it may be once all is quiet.

    Where `holder` is `live` it says that a worker holds it which is really there, and that knows
    nothing of it; where it is `gone`, one that never was.
    """

    name: str
    columns: Mapping[str, Any]
    ends: Sequence[str]
    ty: str = "note"
    holder: str | None = None
    unreadable: bool = False


def texts() -> list[Row]:
    """Arguments, results and words that are hard to read."""
    args = {
        "a list": "[]",
        "a number": "7",
        "null": "null",
        "text": '"x"',
        "5,000 digits": '{"anything": %s}' % ("9" * 5_000),
        "a type in the arguments": '{"ty": "other"}',
    }
    found = [
        Row(f"args: {name}", {"args": text}, ("failed",), unreadable=True)
        for name, text in args.items()
    ]
    deep = "[" * 3_000 + "]" * 3_000
    # Some Pythons read that deep.
    unsure = ("succeeded", "failed")
    found += [
        Row("args: depth", {"args": f'{{"anything": {deep}}}'}, unsure, unreadable=True),
        Row("args: 4 MB", {"args": json.dumps({"anything": "x" * 4_100_000})}, ENDED),
        # Postgres writes it out: a one and four hundred noughts.
        Row("args: 1e400", {"args": '{"anything": 1e400}'}, FINE),
        Row("args: unknown names", {"args": '{"": 1, "anything ": 2}'}, ("failed",)),
        Row("args: too few", {}, ("failed",), ty="resize"),
        Row("result: 1e400", {"status": "succeeded", "due_at": None, "result": "1e400"}, FINE),
        Row("result: depth", {"status": "succeeded", "due_at": None, "result": deep}, FINE),
        Row("progress: 5,000 digits", {"progress": "9" * 5_000}, FINE),
        Row(
            "an error of 1 MB",
            {"status": "failed", "due_at": None, "error": "\x1b[2J\n" * 200_000},
            ("failed",),
        ),
        Row("a key of 1 MB", {"key": "k" * 2_000_000}, FINE),
        Row("a reason of 1 MB", {"cancel_reason": "\u202e" * 300_000}, FINE),
    ]
    for name in (
        "\x1b[31m",
        "a\nb",
        "\u202e",
        "'; --",
        "x" * 200,
        "\U0001f4a9" * 200,
        " ",
        "%s",
        "${x}",
    ):
        found += [
            Row(f"type {name[:9]!r}", {}, WAITS, ty=name),
            Row(f"type {name[:9]!r} on its way", ON_ITS_WAY, WAITS, ty=name, holder="live"),
            Row(f"queue {name[:9]!r}", {"queue": name[:100]}, FINE),
            Row(f"limit key {name[:9]!r}", {"limit_key": name}, FINE),
        ]
    return found


def numbers() -> list[Row]:
    """Numbers at the edges of what a column takes."""
    values: Sequence[tuple[str, Sequence[Any], Sequence[str]]] = (
        ("priority", (-(2**15), 2**15 - 1), FINE),
        ("attempt", (LEAST, -1, 0), FINE),
        ("dispatch_no", (LEAST, -1, MOST - 1, MOST), FINE),
        ("max_attempts", (1, 10_000), FINE),
        ("timeout", ("NaN", "Infinity", 3e38, 1e-45), ENDED),
        ("open_needs", (0,), FINE),
    )
    found = [
        Row(f"{column} {value}", {column: value}, ends)
        for column, several, ends in values
        for value in several
    ]
    never = {"due_at": None}
    found += [
        Row("needs what is not there", {"open_needs": 1} | never, WAITS),
        Row("needs more than there is", {"open_needs": MOST} | never, WAITS),
        Row("is needed by nobody", {"is_needed": True}, FINE),
        Row(
            "is cancelled already",
            {"cancel_requested_at": "2000-01-01Z", "cancel_level": "kill"},
            ANY,
        ),
    ]
    return found


def times() -> list[Row]:
    """Moments at the edges of what a column takes."""
    early, late = "1970-01-01 00:00Z", "8999-12-31 23:59:59.999999Z"
    return [
        Row("due since 1970", {"due_at": early}, FINE),
        Row("due in 8999", {"due_at": late}, WAITS),
        Row("created in 1970", {"created_at": early, "updated_at": early}, FINE),
        Row("created in 8999", {"created_at": late, "updated_at": late}, FINE),
        Row("started before it begins", {"started_at": early}, FINE),
        Row("scheduled long ago", {"scheduled_at": early}, FINE),
        Row("on its way since 1970", ON_ITS_WAY | {"updated_at": early}, FINE, holder="gone"),
        Row("on its way until 8999", ON_ITS_WAY | {"updated_at": late}, FINE, holder="gone"),
        Row(
            "on its way to one who is there", ON_ITS_WAY | {"updated_at": late}, FINE, holder="live"
        ),
    ]


def holders() -> list[Row]:
    """Rows that say of themselves what is not so."""
    found = []
    for holder in ("gone", "live"):
        states: dict[str, dict[str, Any]] = {
            "runs": {"run_id": str(uuid4()), "started_at": "2000-01-01Z"},
            "runs without a run": {},
            "runs without a start": {"run_id": str(uuid4())},
            "runs and may again": {"retry_interrupted": True, "max_attempts": 3},
            "runs below nought": {"retry_interrupted": True, "attempt": LEAST},
            "runs a run below nought": {"run_id": str(uuid4()), "attempt": LEAST},
            "runs and is to end": {"cancel_requested_at": "2000-01-01Z"},
            "runs of a type unknown": {"run_id": str(uuid4())},
        }
        for name, columns in states.items():
            ty = "unknown" if "unknown" in name else "note"
            ends = ANY if ty == "unknown" else ENDED
            found.append(Row(f"{name}, {holder}", RUNS | columns, ends, ty=ty, holder=holder))
        for no in (LEAST, -1, MOST):
            columns = ON_ITS_WAY | {"dispatch_no": no}
            found.append(Row(f"on its way as {no}, {holder}", columns, FINE, holder=holder))
    return found


def all_rows() -> list[Row]:
    """The whole pack."""
    return [*texts(), *numbers(), *times(), *holders()]


def run(scene: Scene, rows: Sequence[Row]) -> Report:
    """Insert each, a good task beside it; then wait until all have come to their ends."""
    report = Report("rows", tried=len(rows))
    live = scene.incarnations()[-1]
    placed: dict[UUID, Row] = {}
    with psycopg.connect(scene.cluster.own_url, autocommit=True) as db:
        for row in rows:
            try:
                placed[insert(db, row, live)] = row
            except psycopg.Error as error:
                report.figures["refused"] = int(report.figures.get("refused", 0)) + 1
                report.check(_is_a_refusal(error), f"{row.name}: {error}")
    flow(scene, report, 5, "beside hostile rows")
    for id, row in placed.items():
        try:
            eventually(partial(_status, scene, id), until=row.ends.__contains__)
        except AssertionError:
            report.violations.append(f"{row.name}: is {_status(scene, id)} for ever")
        _look(scene, id, row, report)
    _list(scene, report)
    flow(scene, report, 5, "after hostile rows")
    report.violations += [f"{name} has ended" for name in scene.dead()]
    return report


def insert(db: psycopg.Connection[Any], row: Row, live: UUID) -> UUID:
    """Insert a row as it is; return its id."""
    id = uuid4()
    columns = {"id": id, "ty": row.ty, **row.columns}
    if row.holder:
        columns["incarnation"] = live if row.holder == "live" else uuid4()
    statement = sql.SQL("insert into fcs.tasks ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    db.execute(statement, list(columns.values()))
    return id


def flow(scene: Scene, report: Report, count: int, when: str) -> None:
    """Create so many good tasks and wait until they have succeeded."""
    body = json.dumps([{"def": {"ty": "note"}}] * count).encode()
    [answer] = exchange(scene.address, request("POST", "/tasks/batch", body))
    if answer.status != 201:
        report.violations.append(f"{when}: a create was answered {answer.status}")
        return
    ids = [UUID(task["id"]) for task in json.loads(answer.body)]
    query = "select count(*) from fcs.tasks where id = any(%(ids)s) and status = 'succeeded'"
    try:
        eventually(lambda: scene.cluster.value(query, {"ids": ids}), until=count.__eq__)
    except AssertionError:
        report.violations.append(f"{when}: good tasks do not come to an end")


def _is_a_refusal(error: psycopg.Error) -> bool:
    """Whether a constraint, or a type, has refused the row."""
    return isinstance(error, psycopg.IntegrityError | psycopg.DataError)


def _status(scene: Scene, id: UUID) -> str:
    return str(
        scene.cluster.value("select status::text from fcs.tasks where id = %(id)s", {"id": id})
    )


def _look(scene: Scene, id: UUID, row: Row, report: Report) -> None:
    """Each can be looked at, and what cannot be read is said to be so."""
    for rest in ("", "/why", "/attempts"):
        [answer] = exchange(scene.address, request("GET", f"/tasks/{id}{rest}"))
        report.check(answer.status == 200, f"{row.name}: GET …{rest} is answered {answer.status}")
        if rest or answer.status != 200:
            continue
        shown = json.loads(answer.body)
        report.check(shown["def"]["ty"] == row.ty, f"{row.name}: shown as {shown['def']}"[:200])
        is_marked = shown["def"].get("args_unreadable", False)
        report.check(is_marked == row.unreadable, f"{row.name}: unreadable is {is_marked}")


def _list(scene: Scene, report: Report) -> None:
    """No row spoils a list."""
    for path in ("/tasks?limit=500", "/queues", "/workers", "/cluster", "/readyz?verbose"):
        [answer] = exchange(scene.address, request("GET", path))
        report.check(answer.status == 200, f"GET {path} is answered {answer.status}")


def many_lanes(scene: Scene, report: Report, count: int) -> Report:
    """So many tasks, each in a queue, of a priority and under a key of its own: all are found."""
    query = """
        insert into fcs.tasks (id, ty, queue, priority, limit_key)
             select gen_random_uuid(), 'note', 'lane' || n, mod(n, 200) - 100, 'key' || n
               from generate_series(1, %(count)s) as n
    """
    scene.cluster.execute(query, {"count": count})
    left = "select count(*) from fcs.tasks where queue like 'lane%%' and status <> 'succeeded'"
    report.tried += count
    try:
        eventually(lambda: scene.cluster.value(left, {}), until=(0).__eq__)
    except AssertionError:
        report.violations.append(f"of {count} lanes some are never served")
    flow(scene, report, 5, "beside many lanes")
    return report
