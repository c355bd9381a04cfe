"""The pages that quote figures quote the last run."""

from pathlib import Path

import pytest

from bench import growth, publish, report
from bench.bar import Figure, Verdict
from bench.bars import ALL
from bench.machine import Machine

MACHINE = Machine(
    date="2030-01-02", cores=2, memory_gib=4, python="3.13", postgres="18", settings={"a": "b"}
)
MEASURED = Verdict("P0", "drain", 1234.5, "/s", "raw", 2469.0, 0.5, "≥ 0.8 times", False)
REPORTED = Verdict("P0", "log", 900.0, "B/task", "", None, None, "reported", None)
MISSING = Verdict("P0", "other", None, "", "", None, None, "≤ 3", None)


def run(*, drain: float, wait: float) -> report.Report:
    figures = [
        Figure("drain", "/s", drain, [drain]),
        Figure("raw", "/s", wait, [wait]),
        Figure("not in the table", "ms", 1 / wait, [1 / wait]),
    ]
    return report.Report(
        command="python -m bench",
        machine=MACHINE,
        rounds=1,
        figures=figures,
        verdicts=[MEASURED, REPORTED, MISSING],
    )


@pytest.mark.parametrize("page", [publish.PAGE, publish.README], ids=lambda page: page.name)
def test_a_page_quotes_the_last_run(page: Path) -> None:
    quoted = publish.BLOCK.search(page.read_text("utf-8"))

    assert quoted
    assert quoted[0] == publish.blocks()[page], "run: python -m bench publish"


def test_the_page_shows_how_cost_grew_in_the_last_run() -> None:
    shown = publish.GROWTH.search(publish.PAGE.read_text("utf-8"))

    assert shown
    assert shown[0] == growth.block(growth.read()), "run: python -m bench publish"


def test_a_curve_is_drawn_from_what_was_found(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `bench`")
    from bench import plot

    rates = {name: 1.0 for curve in growth.CURVES for name in curve.figures}
    found = growth.Growth(machine=MACHINE, rounds=1, rates=rates)
    plot.draw(found, tmp_path)

    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {growth.picture(curve).name for curve in growth.CURVES}
    assert all(name in growth.block(found) for name in drawn)


@pytest.mark.parametrize("page", [publish.PAGE, publish.README], ids=lambda page: page.name)
def test_a_page_has_a_place_for_the_figures(page: Path) -> None:
    assert publish.BLOCK.search(page.read_text("utf-8"))


def test_a_line_says_whether_the_bar_is_met() -> None:
    _, _, missed, reported, missing = report.table([MEASURED, REPORTED, MISSING])

    assert missed == "| P0 | drain | 1,234 /s | raw: 2,469 /s | 0.50 | ≥ 0.8 times | **no** |"
    assert reported == "| P0 | log | 900.0 B/task |  |  | reported |  |"
    assert missing == "| P0 | other | not measured |  |  | ≤ 3 | not measured |"


def test_two_runs_agree_or_are_named() -> None:
    again = run(drain=95.0, wait=2.0)

    assert publish.agreement(run(drain=100.0, wait=2.1), again).endswith(
        "2 of 2 medians agree within 10%."
    )
    assert publish.agreement(run(drain=100.0, wait=3.0), again).endswith(
        "1 of 2 medians agree within 10%; apart are raw (33%)."
    )


def test_what_was_kept_is_read_back_and_the_run_before_stays(tmp_path: Path) -> None:
    first, second = run(drain=1.0, wait=1.0), run(drain=2.0, wait=2.0)
    report.write(first, ALL, tmp_path)
    report.write(second, ALL, tmp_path)

    assert report.read(tmp_path / report.PREVIOUS) == first
    assert report.read(tmp_path / report.LATEST) == second
    blocks = publish.blocks(tmp_path)
    assert "Run twice: 0 of 2" in blocks[publish.PAGE]
    assert "| log |" in blocks[publish.PAGE]
    assert "| log |" not in blocks[publish.README], "the front page shows what is asked"
