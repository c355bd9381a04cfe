"""Many tasks that are alike: another statement, and the same rows, answers and hints."""

import itertools
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from tests.database.scene import NOON, SECOND, Ears, new, row, rows, task_id

from fcs.database import creation, parts, sleep, tasks
from fcs.database.connect import Connection
from fcs.database.creation import ALIKE_MIN
from fcs.domain.task import OnInterrupt

CHOICES: dict[str, list[Any]] = {
    "ty": ["baz", "żółć"],
    "queue": ["default", "mail"],
    "priority": [0, -100],
    "scheduled_at": [None, NOON + 90 * SECOND, datetime(1971, 1, 1, tzinfo=UTC)],
    "delay": [None, 0.25, 60.0],
    "max_attempts": [1, 10_000],
    "timeout": [None, 0.5],
    "on_interrupt": [OnInterrupt.INTERRUPT, OnInterrupt.RETRY],
    "limit_key": ["", 'a "b" \\ {c}, 🥨'],
}
EVERY = [dict(zip(CHOICES, chosen, strict=True)) for chosen in itertools.product(*CHOICES.values())]
ARGS = [
    b"{}",
    b'{"x": 1}',
    b'{"a":[1,{"b":null}],"c":",}{\\"\\\\"}',
    ' {\n\t"text": "zażółć 🥨 \\u0041 \\" \\\\ %s %(id)s :x $1 \'", "f": 0.1}\r\n'.encode(),
    b'{"n": 123456789012345678901234567890}',
]


async def test_the_rows_are_those_of_the_other_statement(db: Connection) -> None:
    """Whatever the options."""
    columns = "to_jsonb(tasks) - 'id' as columns"
    for options in EVERY:
        await tasks.create(db, [new(1, **options)])
        await creation.create_alike(db, [new(2, **options), new(3, **options)])
        found = await rows(db, f"select {columns} from fcs.tasks order by id")
        assert found == [found[0]] * 3, options
        await db.execute("delete from fcs.tasks")


async def test_arguments_are_kept_as_the_other_statement_keeps_them(db: Connection) -> None:
    one = [new(number, args=args) for number, args in enumerate(ARGS)]
    other = [new(100 + number, args=args) for number, args in enumerate(ARGS)]
    await tasks.create(db, one)
    await creation.create_alike(db, other)

    found = await rows(db, "select args::text from fcs.tasks order by id")
    assert found[: len(ARGS)] == found[len(ARGS) :]


@pytest.mark.parametrize("args", [b"", b"1,2", b"{},{}", b"{", b"\0", b'{"a": "\\u0000"}'])
@pytest.mark.parametrize("place", [0, 1])
async def test_arguments_that_are_none_are_refused(db: Connection, args: bytes, place: int) -> None:
    """And are never taken for those of another task."""
    wrong = [new(1), new(2)]
    wrong[place] = new(3, args=args)
    with pytest.raises(psycopg.Error):
        async with db.transaction():
            await creation.create_alike(db, wrong)

    assert await rows(db, "select from fcs.tasks") == []


async def test_an_id_that_is_there_is_the_same_create_again(db: Connection) -> None:
    assert await creation.create_alike(db, [new(1), new(2), new(2)]) == 2
    assert await creation.create_alike(db, [new(n, ty="foo") for n in (1, 2, 3)]) == 1
    assert await creation.create_alike(db, [new(3)]) == 0
    assert await tasks.create(db, [new(3), new(4)]) == 1

    assert [(await row(db, n))["ty"] for n in (1, 2, 3, 4)] == ["baz", "baz", "foo", "baz"]


async def test_more_than_fits_one_statement_are_all_or_none(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "TASKS_MAX", 2)
    wrong = [new(n, ty="" if n == 5 else "baz") for n in range(6)]
    with pytest.raises(psycopg.errors.CheckViolation):
        await tasks.create(db, wrong)
    with pytest.raises(psycopg.errors.NotNullViolation):
        await creation.create_alike(db, [*(new(n) for n in range(5)), new(5, args=b"{},{}")])
    assert await rows(db, "select from fcs.tasks") == []

    assert await creation.create_alike(db, [new(n) for n in range(5)]) == 5


def test_a_statement_is_bounded_by_what_its_tasks_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BYTES_MAX", 20)
    large, small = b'{"x": "0123456789"}', b"{}"
    sizes = [large, small, small, large, large, small]
    cut = parts.cut([new(n, args=args) for n, args in enumerate(sizes)])

    assert [[task.id.int for task in part] for part in cut] == [[0], [1, 2], [3], [4], [5]]
    assert parts.cut([]) == [[]]


async def test_without_an_event_loop_it_is_the_same(clean_url: str) -> None:
    with psycopg.connect(clean_url, autocommit=True) as db:
        assert creation.create_alike_sync(db, [new(1), new(2)]) == 2
        assert creation.create_alike_sync(db, [new(1), new(3)]) == 1


async def test_who_sleeps_is_rung_and_who_is_awake_is_not(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    await creation.create_alike(clean, [new(1), new(2)])
    assert await ears.payloads() == ["scan"]
    await creation.create_alike(clean, [new(1), new(2)])  # nothing new
    assert await ears.payloads() == []

    await sleep.wake_up(sleeper)
    await creation.create_alike(clean, [new(3)])
    assert await ears.payloads() == []


async def test_what_is_due_later_or_in_a_longer_transaction_rings_whoever_is_awake(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    await sleep.wake_up(sleeper)
    await creation.create_alike(clean, [new(1, delay=60.0)])
    assert await ears.payloads() == ["scan"]
    async with clean.transaction():
        await creation.create_alike(clean, [new(2)])
        assert await sleep.fall_asleep(sleeper)
    assert await ears.payloads() == ["scan"]


async def test_only_what_is_alike_and_too_many_to_be_named_goes_that_way(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    """A hint that names tasks spares the supervisor a look at its lanes."""
    await creation.add_untied(clean, [new(n) for n in range(1, ALIKE_MIN)])
    [named] = await ears.payloads()
    assert named.startswith(f"tasks {task_id(1)} ")

    unlike = [new(n, priority=n % 2) for n in range(1_000, 1_000 + ALIKE_MIN)]
    assert await creation.add_untied(clean, unlike) == ALIKE_MIN
    assert len(await rows(clean, "select from fcs.tasks where priority = 1")) == ALIKE_MIN // 2
