"""Strategies beside each other: the table in the page is the one that the command prints."""

from itertools import product

import pytest

from bench import publish
from bench.strategies import FLEETS, LOADS, Load, block, fairness, rows


def published() -> list[str]:
    shown = publish.STRATEGIES.search(publish.TOPOLOGIES.read_text("utf-8"))
    assert shown
    return shown[0].splitlines()


QUICKEST = LOADS[0], FLEETS[-1]
CASES = [
    pytest.param(*case, marks=() if case == QUICKEST else pytest.mark.nightly)
    for case in product(LOADS, FLEETS)
]


@pytest.mark.parametrize(("load", "workers"), CASES)
def test_the_page_shows_what_the_command_prints(load: Load, workers: int) -> None:
    start = f"| {load.name} | {workers} |"
    shown = [line for line in published() if line.startswith(start)]

    assert shown == list(rows(load, workers)), "run: python -m bench strategies"


def test_the_page_has_a_line_for_each_load_number_of_workers_and_strategy() -> None:
    small = block(tasks=50).splitlines()
    names = [line.split("|")[1:4] for line in published()]

    assert names == [line.split("|")[1:4] for line in small]
    assert published()[:2] == small[:2]


def test_fairness_is_1_among_equals_and_the_share_of_one_who_has_all() -> None:
    assert fairness([3, 3, 3, 3], 4) == 1
    assert fairness([5], 4) == 0.25
