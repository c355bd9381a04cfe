"""What `fcs bench` says when something looks slow: each cause by its words, and none without it."""

import pytest

from fcs.node.bench.remarks import Measured, Surroundings, remarks

GOOD = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "shared_buffers": "16384",
}
HERE = Surroundings(GOOD, round_trip=0.1, oldest_snapshot=None, cores=2, slots=2_000)
FIGURES = {
    "raw lifecycle": 80_000.0,
    "raw insert and commit": 3_000.0,
    "drain": 50_000.0,
    "latency p50": 3.0,
}


def said(around: Surroundings = HERE, **changed: float) -> list[str]:
    figures = FIGURES | {name.replace("_", " "): value for name, value in changed.items()}
    return remarks({name: Measured(value, [value] * 3) for name, value in figures.items()}, around)


def test_nothing_is_said_of_a_machine_that_does_well() -> None:
    assert said() == []


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_figures_of_a_server_that_would_lose_data_are_called_too_good(name: str) -> None:
    [remark] = said(HERE._replace(settings=GOOD | {name: "off"}))

    assert remark.startswith(f"{name} is off")
    assert "Turn it on" in remark


def test_a_slow_commit_is_the_disk_s_when_the_way_is_short() -> None:
    [remark] = said(raw_insert_and_commit=100)

    assert "10.0 ms" in remark
    assert "disk" in remark


def test_a_slow_commit_is_the_way_s_when_that_is_long() -> None:
    [remark] = said(HERE._replace(round_trip=8.0), raw_insert_and_commit=100)

    assert "round trip" in remark
    assert "disk" not in remark


@pytest.mark.parametrize(
    ("around", "cause"),
    [
        (HERE._replace(slots=8), "8 slots are few"),
        (HERE._replace(round_trip=3.0), "waits 3.0 ms for the way"),
        (HERE, "has 2"),
    ],
)
def test_a_slow_drain_has_its_likeliest_cause(around: Surroundings, cause: str) -> None:
    [remark] = said(around, drain=4_000)

    assert "5% of what the server can do" in remark
    assert cause in remark


def test_a_late_start_is_named() -> None:
    [remark] = said(latency_p50=80)

    assert "80 ms" in remark


def test_dead_rows_that_stay_are_named() -> None:
    off, held = said(
        HERE._replace(settings=GOOD | {"autovacuum": "off"}, oldest_snapshot=600.0),
    )

    assert "autovacuum is off" in off
    assert "600 s" in held


def test_small_buffers_are_named() -> None:
    [remark] = said(HERE._replace(settings=GOOD | {"shared_buffers": "2048"}))

    assert "shared_buffers is 16 MB" in remark


def test_rounds_that_differ_are_not_to_be_trusted() -> None:
    [remark] = remarks({"drain": Measured(2.0, [1.0, 2.0, 3.0])}, HERE)

    assert "drain" in remark
    assert "something else" in remark
