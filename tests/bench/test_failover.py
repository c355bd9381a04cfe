"""The table of failovers: a line for each way to lead and kind of standby."""

import pytest

from bench import publish
from bench.failover import COLUMNS, LED_BY, STANDBYS, Trial, row
from fcs.domain.topology import Mode

TRIALS = [
    Trial(acknowledged=1_000, lost=0, double=0, is_held=False, started_meanwhile=0, seconds=0.5),
    Trial(acknowledged=1_100, lost=3, double=1, is_held=True, started_meanwhile=2, seconds=1.5),
    Trial(acknowledged=1_200, lost=4, double=0, is_held=True, started_meanwhile=0, seconds=9.0),
]


def test_a_line_adds_up_what_must_not_be_and_shows_how_long_it_took() -> None:
    assert row(Mode.HASH, TRIALS, synchronous=False) == (
        "| nobody (hash mode) | that was cut off | 3 | 3,300 | 7 | 1 | 2 of 3 | 2 |"
        " 1.5 s, adopted | 9.0 s |"
    )
    assert " 1.5 s |" in row(Mode.HASH, TRIALS, synchronous=True)


def test_the_page_shows_every_mode_with_either_standby_and_nothing_that_must_not_be() -> None:
    shown = publish.between("failover").search(publish.FAILOVER.read_text("utf-8"))
    assert shown
    table = [line.split(" | ") for line in shown[0].splitlines() if line.startswith("|")]
    if not table:
        pytest.skip("not measured so far: python -m bench failover --rounds 10")
    lines = table[2:]

    assert len(table[0]) == len(COLUMNS)
    assert [(line[0].removeprefix("| "), line[1]) for line in lines] == [
        (LED_BY[mode], STANDBYS[synchronous]) for mode in Mode for synchronous in (True, False)
    ]
    for _, standby, _, _, lost, double, held, meanwhile, *_ in lines:
        runs = held.split(" of ")[1]
        is_synchronous = standby == STANDBYS[True]
        assert (double, meanwhile) == ("0", "0")
        assert held == (f"0 of {runs}" if is_synchronous else f"{runs} of {runs}")
        assert (lost == "0") == is_synchronous
