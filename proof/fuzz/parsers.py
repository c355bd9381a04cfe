"""Random text into everything that reads text: only the documented errors may come out.

Texts are drawn from what the reader knows, cut up and put together wrongly, as well as from
nothing but noise: noise alone never gets beyond the first look.
"""

import json as stdlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fcs.domain import json
from fcs.domain.cron import Rule
from fcs.domain.durations import SECONDS_MAX, seconds_of
from fcs.domain.errors import InvalidInput, PayloadTooLarge
from fcs.domain.hints import parse_for_supervisor, parse_for_worker
from fcs.domain.ids import TaskId, read_ids
from fcs.domain.keys import check_key
from fcs.domain.moments import MOMENT_MAX, MOMENT_MIN, checked_moment
from fcs.domain.queues import check_limits
from fcs.domain.text import BYTES_MAX, safe_text
from fcs.http.creation import read_tasks
from fcs.http.errors import InvalidQuery
from fcs.http.query import read_cursor, read_prefer
from fcs.registry import Registry, check_queue
from proof.fuzz.app import app
from proof.fuzz.report import Report

NOON: Final = datetime(2027, 1, 1, 12, tzinfo=UTC)
ID: Final = "01890000-0000-7000-8000-000000000001"

# Digits that Python takes for digits, and Postgres or JSON do not; signs that look like others.
ODD: Final = (
    "\u0663\u00b2\u00bd\u2167\u0e53\U0001d7d7\u2212\u2013\u2010\u2044"
    "\u00a0\u2028\ufeff\u200b\x1c\x85\0\x1b"
)

noise = st.text(max_size=60)
odd = st.sampled_from(ODD)


def pieces(*words: str) -> st.SearchStrategy[str]:
    """Texts made of these words and of odd ones."""
    return st.lists(st.sampled_from(words) | odd | st.text(max_size=2), max_size=12).map("".join)


class Parser(NamedTuple):
    """`read` must return, or raise one of `refusals`."""

    read: Callable[[Any], object]
    texts: st.SearchStrategy[Any]
    refusals: tuple[type[Exception], ...] = (InvalidInput,)


def _hints(text: str) -> None:
    parse_for_supervisor(text)
    parse_for_worker(text)


def _rule(cron: str) -> None:
    rule = Rule(cron, "America/New_York")
    assert rule.in_words()
    fires = rule.preview(NOON, 2)
    assert all(fire > NOON for fire in fires)


def _stretch(text: str) -> None:
    assert 0 <= seconds_of(text) <= SECONDS_MAX


def _moment(text: str) -> None:
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return
    assert MOMENT_MIN <= checked_moment(moment) < MOMENT_MAX


def _json(text: bytes) -> None:
    value = json.parse(text)
    again = stdlib.dumps(value, allow_nan=False).encode()
    assert json.parse(again) == value


def _create(text: bytes) -> None:
    registry: Registry = app.registry
    made = read_tasks(text, registry=registry, new_id=lambda: TaskId(UUID(ID)))
    for task in made if isinstance(made, list) else [made]:
        assert isinstance(json.parse(task.args), dict)


def _rate(text: str) -> None:
    [rate] = check_limits({"rate": text}).values()
    assert rate is not None
    assert rate > 0


def _prefer(text: str) -> None:
    wait = read_prefer(text)
    assert wait is None or 0 <= wait <= 60


def _safe(value: object) -> None:
    assert len(safe_text(value).encode()) <= BYTES_MAX


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(ID)
)
_values = st.recursive(
    _scalars | st.sampled_from([10**400, -(10**400), 2**63, 2**64, "2031-05-17T09:00:00Z", "90s"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
_fields = st.sampled_from(
    ["def", "queue", "priority", "scheduled_at", "delay", "max_attempts", "timeout", "on_interrupt",
     "limit_key", "after", "when_needs_fail", "nonsense"]
)  # fmt: skip
_definitions = st.builds(
    lambda ty, args: {"ty": ty, **args},
    st.sampled_from(["note", "resize", "greet", "sum_up", "nonsense"]),
    st.dictionaries(
        st.sampled_from(["anything", "photo", "width", "customer", "numbers", "x"]), _values
    ),
)
_tasks = st.builds(
    lambda fields, definition: {**fields, "def": definition},
    st.dictionaries(_fields, _values, max_size=4),
    _definitions | _values,
)
_bodies = (st.lists(_tasks, max_size=3) | _tasks | _values).map(
    lambda body: stdlib.dumps(body).encode()
)

_json_like = pieces(
    "{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\\ud83d", "\\u0000", "\\u003a", "1", "-", "e",
    "1e400",
    "0", "00", ".", "true", "null", "NaN", '"a":', '"a"', " ", "\n",
)  # fmt: skip
CRON_WORDS: Final = (
    "0", "1", "5", "7", "29", "31", "59", "60", "L", "W", "LW", "#", "*", "/", "-", ",", "?",
    "mon", "jan", "JAN#2", "5L", "@",
)  # fmt: skip
_cron_field = st.lists(
    st.sampled_from(CRON_WORDS) | odd,
    max_size=5,
).map("".join)
_date_like = pieces(
    "2031", "-05", "-17", "T", "t", " ", "09", ":00", ":00", ":60", ".123456", "Z", "z", "+02:00",
    "-23:59",
    "0001", "9999", "-01-01", "24", "infinity", "W20",
)  # fmt: skip

PARSERS: Final[Mapping[str, Parser]] = {
    "hints": Parser(
        _hints,
        noise
        | pieces("tasks", "scan", "settle", "report", "cancel", " ", ID, "-1", "9" * 30, "1_0"),
        (),
    ),
    "ids": Parser(
        read_ids, noise | pieces(ID, " ", "-", "{", '"', "\\", "urn:uuid:"), (ValueError,)
    ),
    "cron": Parser(_rule, noise | st.lists(_cron_field, min_size=4, max_size=7).map(" ".join)),
    "stretches": Parser(
        _stretch, noise | pieces("1", "90", ".5", "s", "ms", "h", "30m", "-", "e9", "d", " ")
    ),
    "moments": Parser(_moment, noise | _date_like),
    "json": Parser(_json, st.binary(max_size=60) | _json_like.map(_encode)),
    "creates": Parser(_create, _bodies | _json_like.map(_encode), (InvalidInput, PayloadTooLarge)),
    "rates": Parser(
        _rate, noise | pieces("1", "5", "/", "s", "m", "h", ".", "e9", "-", "inf", "nan", "_")
    ),
    "cursors": Parser(
        read_cursor, noise | pieces("A", "_", "-", "=", "AAAAAAAAAAAAAAAAAAAAA"), (InvalidQuery,)
    ),
    "preferences": Parser(_prefer, noise | pieces("wait", "=", "30", ",", ";", '"', " ", "9" * 30)),
    "keys": Parser(check_key, noise | st.text(min_size=250, max_size=260)),
    "queues": Parser(check_queue, noise | pieces("mail", "-", ".", "_", "\n", "A", "x" * 99)),
    "texts": Parser(_safe, st.text() | st.binary() | _values, ()),
}
"""What reads text that comes from outside."""


def run(*, examples: int, number: int = 0, only: Sequence[str] = ()) -> Report:
    """Read so many texts with each parser; all of it follows from `number`."""
    report = Report("texts")
    for name in only or PARSERS:
        parser, tried = PARSERS[name], [0]
        try:
            _test(parser, tried, examples, number)
        except BaseExceptionGroup as several:
            report.violations += [f"{name}: {error!r}" for error in several.exceptions]
        except Exception as error:  # noqa: BLE001 - whatever comes out is what was looked for
            report.violations.append(
                f"{name}: {error!r}: {' '.join(getattr(error, '__notes__', []))}"
            )
        report.tried += tried[0]
    return report


def _test(parser: Parser, tried: list[int], examples: int, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(parser.texts)
    def read(text: Any) -> None:
        tried[0] += 1
        with suppress(*parser.refusals):
            parser.read(text)

    read()
