"""The pack, continued: what may stand in a body, from bombs of JSON to moments that are none."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.domain.test_json import REFUSED, REFUSED_AT

from fcs.http.app import BODY_BYTES_MAX
from proof.fuzz.cases import STRANGER, Case, one, places
from proof.fuzz.wire import request

BOMBS: Final[Mapping[str, bytes]] = {
    name: bomb for name, (bomb, _) in {**REFUSED, **REFUSED_AT}.items()
}
"""JSON that somebody would choke on, or that is none."""

GOOD: Final = 201
WRONG: Final = 422

MOMENTS: Final[Sequence[tuple[Any, int]]] = (
    ("2031-05-17T09:00:00Z", GOOD),
    ("2031-05-17T09:00:00+02:00", GOOD),
    ("2031-05-17T09:00:00-12:00", GOOD),
    ("2031-05-17T09:00:00.000001Z", GOOD),
    ("2031-05-17T09:00:00.123456789Z", GOOD),
    ("2032-02-29T00:00:00Z", GOOD),
    ("1970-01-01T00:00:00Z", GOOD),
    ("8999-12-31T23:59:59.999999Z", GOOD),
    ("2031-05-17T09:00:00+23:59", GOOD),
    (None, GOOD),
    ("2031-05-17T09:00:00", WRONG),
    ("2031-05-17 09:00:00", WRONG),
    ("2031-05-17", WRONG),
    ("09:00:00Z", WRONG),
    ("2031-05-17T09:00", WRONG),
    ("2031-W20-6T09:00:00Z", WRONG),
    ("2031-137T09:00:00Z", WRONG),
    ("20310517T090000Z", WRONG),
    ("2031-5-17T9:0:0Z", WRONG),
    ("2031-05-17T09:00:00+25:00", WRONG),
    ("2031-05-17T09:00:00+02:60", WRONG),
    ("2031-05-17T09:00:00 Europe/Warsaw", WRONG),
    ("2031-05-17T09:00:00CEST", WRONG),
    ("2031-05-17T09:00:60Z", WRONG),
    ("2031-05-17T24:00:00Z", WRONG),
    ("2031-02-29T00:00:00Z", WRONG),
    ("2031-02-30T09:00:00Z", WRONG),
    ("2031-13-01T09:00:00Z", WRONG),
    ("2031-00-00T00:00:00Z", WRONG),
    ("0000-01-01T00:00:00Z", WRONG),
    ("0001-01-01T00:00:00Z", WRONG),
    ("0001-01-01T00:00:00+23:59", WRONG),
    ("-2031-05-17T09:00:00Z", WRONG),
    ("1969-12-31T23:59:59.999999Z", WRONG),
    ("9000-01-01T00:00:00Z", WRONG),
    ("9999-12-31T23:59:59-23:59", WRONG),
    ("10000-01-01T00:00:00Z", WRONG),
    ("294276-12-31T00:00:00Z", WRONG),
    ("0044-03-15T12:00:00Z BC", WRONG),
    ("infinity", WRONG),
    ("-infinity", WRONG),
    ("epoch", WRONG),
    ("now", WRONG),
    ("tomorrow", WRONG),
    ("", WRONG),
    (" 2031-05-17T09:00:00Z", WRONG),
    ("2031-05-17T09:00:00Z\n", WRONG),
    ("\uff12\uff10\uff13\uff11-05-17T09:00:00Z", WRONG),
    ("2031-05-17T09:00:00Z" * 1_000, WRONG),
    (0, WRONG),
    (-1, WRONG),
    (1_924_981_200, WRONG),
    (1e308, WRONG),
    (True, WRONG),
    ([], WRONG),
    ({"at": 1}, WRONG),
)
"""What may be meant by `scheduled_at`, and whether it is understood."""

STRETCHES: Final[Sequence[tuple[Any, int]]] = (
    (1, GOOD), (0.5, GOOD), ("90", GOOD), ("90s", GOOD), ("1h30m", GOOD), (" 2D ", GOOD),
    ("365000d", GOOD), ("365001d", WRONG), (-1, WRONG), ("-1s", WRONG), (1e308, WRONG),
    ("9" * 400, WRONG), ("9" * 60_000, WRONG), ("1" * 20_000 + "x", WRONG), ("1e9", WRONG),
    ("soon", WRONG), ("", WRONG), ("s", WRONG), ("1 h", WRONG), ("P1D", WRONG), ("1:30", WRONG),
    ("nan", WRONG), ("inf", WRONG), ("\u0661s", WRONG), ("1s\0", 400), ([], WRONG), ({}, WRONG),
    (True, WRONG),
)  # fmt: skip
"""What may be meant by a stretch of time."""

NUMBERS: Final = (
    "0", "-0", "-0.0", "1", "1.0", "1e2", "1E+2", "0.1", "1e-400", "1e308", "-1e308", "2147483648",
    "-2147483649", "9223372036854775808", "18446744073709551616", "9" * 400, "-" + "9" * 400,
    "9" * 4_000, "0." + "0" * 4_000 + "1", "true", "false", '"5"', '""', "[]", "{}", "[5]",
)  # fmt: skip
"""Numbers as JSON writes them, and what somebody may take for one."""

NAMES: Final = (
    "caf\u00e9", "cafe\u0301", "\u202egnp.exe", "a\u200db", "\ufeffa", "\U0001f4a9", "\U0010ffff",
    "\ufffe", "\u0000", "a\u0000b", "\u2028", "\x1b[31mred\x1b[0m", "\x07", "\x7f", "\x85",
    "a\r\nX-Injected: y", "../../etc/passwd", "..%2f..%2f", "%00", "%", "%zz", "a/b", "a\\b", ".",
    "..", "", " ", "\t", "'; drop table fcs.tasks; --", '" or ""="', "$1", "%(id)s", "{0}",
    "${7*7}",
    "<script>alert(1)</script>", "javascript:alert(1)", "os.system", "__import__('os')", "NULL",
    "null", "undefined", "NaN", "true", "\u0130\u0131", "\u1e9e", "\ud83d", "x" * 300,
    "\U0001f4a9" * 300,
    "\u0e33" * 90, "a\u0300" * 90,
)  # fmt: skip
"""Names that nobody should have."""


def bombs() -> Iterator[Case]:
    """Every bomb in every place, bare and as the value of something."""
    for method, path in places():
        for name, bomb in BOMBS.items():
            for body in (bomb, b'{"def":{"ty":"note","anything":%s}}' % bomb):
                # Where nothing has to be sent, nothing is right.
                if body or path in ("/tasks", "/tasks/batch"):
                    status = 413 if len(body) > BODY_BYTES_MAX else 400
                    yield one(f"{method} {path}: {name}", request(method, path, body), status)


def shapes() -> Iterator[Case]:
    """JSON of any shape but the one that is asked for."""
    for method, path in places():
        for body in ("7", '"x"', "null", "true", '{"nonsense":1}', "[7]", "[[]]", '{"def":7}'):
            yield one(f"{method} {path}: {body}", request(method, path, body.encode()), WRONG)


def times() -> Iterator[Case]:
    """Moments and stretches, wherever one may be said."""
    for moment, status in MOMENTS:
        yield _task(f"at {moment!r}"[:60], {"scheduled_at": moment}, status)
    for stretch, status in STRETCHES:
        yield _task(f"in {stretch!r}"[:60], {"delay": stretch}, status)
        yield _task(f"within {stretch!r}"[:60], {"timeout": stretch}, status)
        older = {"filter": {"older_than": stretch}, "action": "delete", "dry_run": True}
        found = 200 if status == GOOD else status
        yield one(f"older {stretch!r}"[:60], _json("POST", "/tasks/bulk", older), found)


def numbers() -> Iterator[Case]:
    """Numbers of any size, wherever one may be said: understood or refused, and never a fault."""
    for field in ("priority", "max_attempts", "timeout", "delay"):
        for number in NUMBERS:
            body = b'{"def":{"ty":"note"},"%s":%s}' % (field.encode(), number.encode())
            yield one(f"{field} {number[:30]}", request("POST", "/tasks", body), WRONG, GOOD)
    for field in ("running_max", "rate", "burst", "key_running_max", "key_rate", "key_burst"):
        for number in NUMBERS:
            body = b'{"%s":%s}' % (field.encode(), number.encode())
            yield one(
                f"{field} {number[:30]}", request("PATCH", "/queues/numbers", body), WRONG, 200
            )
    for number in NUMBERS:
        args = b'{"def":{"ty":"note","anything":%s}}' % number.encode()
        yield one(f"anything {number[:30]}", request("POST", "/tasks", args), GOOD)
        width = b'{"def":{"ty":"resize","photo":"%s","width":%s}}'
        body = width % (STRANGER.encode(), number.encode())
        yield one(f"width {number[:30]}", request("POST", "/tasks", body), WRONG, GOOD)
        rule = b'{"cron":"* * * * *","n":%s}' % number.encode()
        yield one(f"n {number[:30]}", request("POST", "/schedules/preview", rule), WRONG, 200)


def types() -> Iterator[Case]:
    """Types, arguments and needs that are none."""
    for name in NAMES:
        status = 400 if "\0" in name or name == "\ud83d" else WRONG
        yield one(f"type {name!r}"[:60], _json("POST", "/tasks", {"def": {"ty": name}}), status)
        yield _task(f"queue {name!r}"[:60], {"queue": name}, status, others=(GOOD,))
        rule = {"cron": name, "tz": name}
        yield one(f"rule {name!r}"[:60], _json("POST", "/schedules/preview", rule), status)
        new = {"name": name, "cron": "0 0 1 1 *", "task": {"def": {"ty": "note"}}}
        yield one(f"schedule {name!r}"[:60], _json("POST", "/schedules", new), status, GOOD, 409)
    for needs in ([STRANGER], [STRANGER] * 2, ["x"], [None], "x", [STRANGER] * 5_000):
        yield _task(f"after {str(needs)[:40]}", {"after": needs}, WRONG, others=(413,))


def long_ones() -> Iterator[Case]:
    """Bodies that are as long as they may be."""
    room = BODY_BYTES_MAX - 60
    for name, text in (
        ("text", '"' + "x" * room + '"'),
        ("colons", '"' + ":" * room + '"'),
        ("escapes", '"' + "\\u003a" * (room // 6) + '"'),
        ("noughts", "[" + "0," * (room // 2 - 2) + "0]"),
        ("lists", "[" + "[]," * (room // 3 - 2) + "[]]"),
        ("objects", "[" + "{}," * (room // 3 - 2) + "{}]"),
        ("keys", "{" + ",".join(f'"{n}":0' for n in range(room // 9)) + "}"),
        ("digits", "[" + ",".join(["9" * 3_999] * (room // 4_001)) + "]"),
        ("fractions", "[" + ",".join(["0." + "1" * 3_990] * (room // 4_001)) + "]"),
    ):
        body = b'{"def":{"ty":"note","anything":%s}}' % text.encode()
        yield one(f"64 kB of {name}", request("POST", "/tasks", body), GOOD)
    many = json.dumps([{"def": {"ty": "note"}}] * 2_500).encode()
    yield one("2,500 at once", request("POST", "/tasks/batch", many), GOOD)
    wrong = json.dumps([{"def": {"ty": "nota"}}] * 2_500).encode()
    yield one("2,500 wrong ones", request("POST", "/tasks/batch", wrong), WRONG)


def _task(name: str, fields: Mapping[str, Any], status: int, *, others: Sequence[int] = ()) -> Case:
    body = {"def": {"ty": "note"}, **fields}
    return one(name, _json("POST", "/tasks", body), status, *others)


def _json(method: str, path: str, value: Any) -> bytes:
    return request(method, path, json.dumps(value).encode())


def all_bodies() -> list[Case]:
    """All cases that are about what stands in a body."""
    return [*bombs(), *shapes(), *times(), *numbers(), *types(), *long_ones()]
