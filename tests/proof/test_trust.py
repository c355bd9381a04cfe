"""The ledger of runs, the page that adds it up, and the night that fills it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from proof import ledger, nightly, suite, trust
from proof.ledger import Run
from proof.stages import STAGES
from proof.summary import Summary


def summary(*, stage: str = "torture", chances: int = 300, violations: int = 0) -> Summary:
    return Summary(
        stage=stage,
        chances=chances,
        of_what="tasks",
        violations=violations,
        seconds=1800.0,
        faults={"kill -9": 7, "pause": 5},
        figures={"recovery p99": "3.2 s"},
    )


def run(found: Summary) -> Run:
    return Run(
        date="2026-11-29",
        version="abc",
        machine="2 cores",
        command=f"python -m proof {found.stage}",
        summary=found,
    )


def test_a_summary_says_all_in_one_line() -> None:
    assert summary(violations=2).line == (
        "torture: 300 tasks · 12 faults · recovery p99 3.2 s · 2 violations · 1,800 s"
    )


def test_a_stage_that_found_something_fails() -> None:
    assert summary().exit_code == 0
    assert summary(violations=1).exit_code == 1


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    summary().keep(tmp_path / "summary.json")
    assert Summary.read(tmp_path / "summary.json") == summary()


def test_the_ledger_only_grows(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    assert ledger.read(file) == []

    ledger.append(run(summary()), file)
    ledger.append(run(summary(violations=1)), file)

    assert ledger.read(file) == [run(summary()), run(summary(violations=1))]


def test_the_page_adds_up_and_keeps_apart_what_is_simulated() -> None:
    simulated = replace(summary(stage="sim"), faults={"drop": 40, "pause": 2})
    said = trust.block([run(summary()), run(summary(chances=700)), run(simulated)])

    assert "3 runs in 1.5 hours, 0 violations." in said
    assert "- 1,000 tasks of real processes, under 24 faults\n" in said
    assert "- 300 tasks of simulated clusters, under 42 faults\n" in said
    assert "| drop |  | 40 |\n| kill -9 | 14 |  |\n| pause | 10 | 2 |" in said
    assert "| torture | 2 | 1,000 tasks | 1.00 | 0 | < 3.0e-03 |" in said


def test_the_page_tells_how_soon_all_went_on() -> None:
    gaps = {"next start": (0.2, 8.7, 12.6), "kill to truth": (7.0, 9.0, 9.5)}
    figures = {
        f"{name} {of}": seconds
        for name, gap in gaps.items()
        for of, seconds in zip(("p50", "p99", "max"), gap, strict=True)
    }
    said = trust.block([run(replace(summary(), figures=figures)), run(summary(stage="sim"))])

    row = "| 2026-11-29 | `python -m proof torture` | 300 | 12 |"
    assert f"{row} 0.2 / 8.7 / 12.6 | 7.0 / 9.0 / 9.5 |" in said
    assert "How soon" not in trust.block([run(summary(stage="sim"))])


def test_the_page_tells_how_often_each_promise_was_looked_at() -> None:
    first = {"C10, CAP: no slots leak": (3, 0), "C2, ACK: all is there": (1_200, 0)}
    second = {"C2, ACK: all is there": (300, 1)}
    runs = [run(replace(summary(), looked_at=promises)) for promises in (first, second)]
    said = trust.block([*runs, run(summary(stage="sim"))])

    rows = "| C2, ACK: all is there | 1,500 | 1 |\n| C10, CAP: no slots leak | 3 | 0 |\n"
    assert rows in said
    assert "By promise" not in trust.block([run(summary(stage="sim"))])


def test_the_page_tells_what_each_version_went_through() -> None:
    older = replace(run(summary(violations=3)), version="old")
    page = trust.block([older, run(summary()), run(summary(stage="model")), run(summary())])

    assert "| old | 2026-11-29 | torture | 0.50 | 300 | 12 | 3 |" in page
    assert "| abc | 2026-11-29 | torture, model | 1.50 | 600 | 24 | 0 |" in page


def test_violations_are_not_hidden_behind_a_bound() -> None:
    said = trust.block([run(summary(violations=1))])

    assert "1 violations in 1 of them" in said
    assert "| torture | 1 | 300 tasks | 0.50 | 1 |  |" in said


def test_the_page_is_that_of_the_ledger() -> None:
    shown = trust.PLACE.search(trust.PAGE.read_text("utf-8"))

    assert shown
    assert shown[0] == trust.block(ledger.read()), "run: python -m proof trust"


@pytest.mark.parametrize("stage", nightly.LONG)
def test_a_stage_of_the_night_is_known(stage: str) -> None:
    assert stage in STAGES


def test_each_night_has_seeds_of_its_own() -> None:
    assert nightly.seeds(100)(0) == ["--seeds", "1..100"]
    assert nightly.seeds(100)(2) == ["--seeds", "201..300"]
    assert nightly.minutes(2.5)(3) == ["--minutes", "2.5", "--seed", "4"]
    assert nightly.minutes(50, "--standby")(3)[-1] == "--standby"


def test_what_is_carried_out_twice_is_known_by_two_names() -> None:
    names = [turn.name for turn in nightly.turns(["twin", "torture"])]
    assert names == ["twin", *(f"torture-{number}" for number in range(1, 5))]


async def test_what_comes_to_nothing_is_told_and_hinders_nobody(tmp_path: Path) -> None:
    night = [nightly.Turn(f"twin-{n}", "twin", lambda _: ["--help"]) for n in (1, 2)]
    night.append(nightly.Turn("soak", "soak", lambda _: ["--sorcery"]))

    assert await nightly.night(night, tmp_path, at_once=2) == ["twin-1", "twin-2", "soak"]
    assert "usage: " in (tmp_path / "twin-1.log").read_text()
    assert "--sorcery" in (tmp_path / "soak.log").read_text()


def test_what_was_carried_out_is_not_repeated_unless_it_found_something(tmp_path: Path) -> None:
    assert not nightly.is_over("sim", tmp_path)
    summary(stage="sim").keep(tmp_path / "sim.json")
    assert nightly.is_over("sim", tmp_path)
    summary(stage="sim", violations=1).keep(tmp_path / "sim.json")
    assert not nightly.is_over("sim", tmp_path)


def test_tests_are_counted_by_their_report(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    counts = {"tests": 12, "skipped": 2, "failures": 1, "errors": 1}
    said = " ".join(f'{name}="{count}"' for name, count in counts.items())
    report.write_text(f"<testsuites><testsuite {said}/></testsuites>")

    found = suite.summary("suite", report, seconds=3.0)

    assert (found.chances, found.violations) == (10, 2)
    assert found.line == "suite: 10 tests · skipped 2 · 2 violations · 3 s"
