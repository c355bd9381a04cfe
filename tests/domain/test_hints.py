"""Hints: anybody may notify, so every text must be survived, and only known ones mean something."""

from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.facts import WorkerReported
from fcs.domain.hints import (
    NUMBER_MAX,
    QueuesChanged,
    Scan,
    Settle,
    TasksNamed,
    WorkersChanged,
    name_tasks,
    parse_for_supervisor,
    parse_for_worker,
    report,
    worker_channel,
)
from fcs.domain.ids import Incarnation, TaskId

ID = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")

counts = st.integers(0, NUMBER_MAX - 1)
words = st.sampled_from(
    [
        "tasks",
        "scan",
        "workers",
        "queues",
        "report",
        str(ID),
        ID.hex,
        f"{{{ID}}}",
        "0",
        "-1",
        "1_0",
        "٣",
        "\0",
    ]
)
near_misses = st.lists(words | st.text(max_size=5)).map(" ".join)


@given(st.text() | near_misses)
def test_garbage_never_raises(payload: str) -> None:
    """F-68: in the seed one bad notification ended the supervisor."""
    parse_for_supervisor(payload)
    parse_for_worker(payload)


def test_a_flood_of_garbage_never_raises() -> None:
    """F-68, with 20,000 mutilated hints."""
    rng = Random(68)
    real = [
        f"tasks {ID} {OTHER}",
        "scan",
        report(Incarnation(ID), 1, 2, 3),
        f"{ID} {OTHER}",
    ]
    for _ in range(20_000):
        text = list(rng.choice(real))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text[at : at + rng.randint(0, 3)] = chr(rng.choice([0, 32, 48, 95, 0x663, 0x10FFFF]))
        parse_for_supervisor("".join(text))
        parse_for_worker("".join(text))


def test_what_the_supervisor_understands() -> None:
    assert parse_for_supervisor("scan") == Scan()
    assert parse_for_supervisor("settle") == Settle()
    assert parse_for_supervisor("workers") == WorkersChanged()
    assert parse_for_supervisor("queues") == QueuesChanged()
    assert parse_for_supervisor(f"tasks {ID} {OTHER}") == TasksNamed([TaskId(ID), TaskId(OTHER)])


@given(st.uuids(), counts, counts, counts)
def test_a_report_is_read_as_it_was_written(id: UUID, no: int, busy: int, taken: int) -> None:
    written = report(Incarnation(id), no, busy, taken)

    assert len(written) < 8_000
    assert parse_for_supervisor(written) == WorkerReported(Incarnation(id), no, busy, taken)


@given(st.lists(st.uuids(), max_size=200))
def test_named_tasks_are_read_as_they_were_written(ids: list[UUID]) -> None:
    written = name_tasks([TaskId(id) for id in ids])

    assert len(written) < 8_000
    assert parse_for_worker(written) == TasksNamed([TaskId(id) for id in ids])


def test_what_is_almost_a_hint_is_garbage() -> None:
    for payload in (
        "",
        " ",
        "tasks",
        "tasks nonsense",
        f"tasks {ID} nonsense",
        "scan now",
        "workers 1",
        f"report {ID} 1 2",
        f"report {ID} 1 2 3 4",
        f"report {ID} 1 -2 3",
        f"report {ID} 1 2 {NUMBER_MAX}",
        f"report {ID} 1 2 {'9' * 5000}",
        "report nonsense 1 2 3",
        f"{ID}",
    ):
        assert parse_for_supervisor(payload) is None, payload
    assert parse_for_worker(f"{ID} nonsense") is None


def test_a_channel_fits_into_a_name_of_postgres() -> None:
    assert len(worker_channel(Incarnation(ID)).encode()) <= 63
    assert worker_channel(Incarnation(ID)) != worker_channel(Incarnation(OTHER))
