"""How long nobody hands anything out: the page shows the last run."""

import pytest

from bench import leaders, publish
from bench.leaders import Leaders, block, quantile
from bench.machine import Machine

MACHINE = Machine(
    date="2030-01-02", cores=2, memory_gib=4, python="3.13", postgres="18", settings={}
)


def test_the_page_shows_the_last_run() -> None:
    shown = publish.LEADERS.search(publish.TOPOLOGIES.read_text("utf-8"))

    assert shown
    assert shown[0] == block(leaders.read()), "run: python -m bench publish"


def test_each_way_to_end_has_a_line_and_all_of_them_together() -> None:
    found = Leaders(
        machine=MACHINE,
        leader_lease=5.0,
        tasks=12_345,
        interrupted=6,
        gaps={"kill -9": [0.5, 1.0, 2.0], "SIGTERM": [0.1]},
    )
    lines = block(found).splitlines()

    assert lines[2:5] == [
        "| kill -9 | 3 | 1.00 s | 2.00 s | 2.00 s |",
        "| SIGTERM | 1 | 0.10 s | 0.10 s | 0.10 s |",
        "| all of them | 4 | 0.50 s | 2.00 s | 2.00 s |",
    ]
    assert "--acts 4" in lines[-1]
    assert "12,345 tasks" in lines[-1]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_quantile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    assert quantile(range(100, 0, -1), share) == expected
