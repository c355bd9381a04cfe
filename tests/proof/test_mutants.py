"""Mutants: each patch says what it must and applies; some are tried, and the stand can fail."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fcs.domain import settings
from proof.ledger import ROOT
from proof.mutants import command, page
from proof.mutants.mutant import LETTERS, PATCHES, Hunk, Mutant, Unfit, read, read_all
from proof.mutants.stand import Fate, Ran, Stand, Verdict, judge, judge_stage, stand

MUTANTS = read_all()
QUICK = ("attempts-without-end", "progress-of-any-run")
"""One of the domain, and one of the database."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_applies_and_says_what_it_must(name: str) -> None:
    mutant = MUTANTS[name]
    source = (ROOT / mutant.path).read_text("utf-8")

    assert mutant.applied_to(source) != source
    assert mutant.what.endswith(".")
    assert set(mutant.breaks) <= LETTERS
    assert all(number.startswith("F-") for number in mutant.failures)
    stage, *arguments = mutant.stage.split()
    assert stage in ("pytest", "proof")
    assert arguments
    if stage == "pytest":
        assert (ROOT / arguments[0]).exists()


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 30
    assert {letter for mutant in MUTANTS.values() for letter in mutant.breaks} >= {
        "ONCE", "ACK", "FINAL", "OWNER", "EARLY", "LIVE", "TRUTH", "CAP", "BOUND", "LIMIT", "HOLD",
    }  # fmt: skip


def test_no_two_are_the_same() -> None:
    changes = {(mutant.path, str(mutant.hunks)) for mutant in MUTANTS.values()}

    assert len(changes) == len(MUTANTS)


def test_the_page_shows_all_of_them_caught() -> None:
    rows = page.rows_of(page.PAGE.read_text("utf-8"))

    assert rows.keys() == MUTANTS.keys(), "run: python -m proof mutants, or those that are missing"
    assert not [row for row in rows.values() if "**" in row]
    assert not [name for name, mutant in MUTANTS.items() if mutant.what not in rows[name]]


def test_they_are_listed_with_who_has_to_notice(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(MUTANTS)
    assert all("pytest tests/" in line or "proof " in line for line in lines)


# Patches


def hunk(section: str, before: str, after: str) -> Hunk:
    return Hunk(section, before.split(), after.split())


def mutant(*hunks: Hunk, path: str = "src/x.py", stage: str = "pytest tests") -> Mutant:
    return Mutant("test", "Nothing works.", ("ONCE",), (), stage, path, hunks)


def test_a_hunk_stands_where_its_lines_do_and_nowhere_else() -> None:
    source = "a\nb\nc\nb\nd\n"

    assert mutant(hunk("", "a b", "a")).applied_to(source) == "a\nc\nb\nd\n"
    assert mutant(hunk("c", "b", "x y")).applied_to(source) == "a\nb\nc\nx\ny\nd\n"
    for unfit in (
        hunk("", "b", "x"),
        hunk("", "d e", "x"),
        hunk("b", "d", "x"),
        hunk("c", "a", ""),
    ):
        with pytest.raises(Unfit):
            mutant(unfit).applied_to(source)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Breaks: ", "Brakes: "),
        ("Stage: ", "Who: "),
        ("--- a/src/", "--- a/tests/"),
        ("+++ b/src/", "+++ b/else/"),
        ("@@ -", "-"),
        ("\n-", "\n?"),
    ],
)
def test_a_patch_that_does_not_say_what_it_must_is_unfit(
    tmp_path: Path, was: str, now: str
) -> None:
    text = (PATCHES / f"{QUICK[0]}.patch").read_text("utf-8")
    file = tmp_path / "patch"
    file.write_text(text)
    assert read(file).hunks == MUTANTS[QUICK[0]].hunks
    assert was in text
    file.write_text(text.replace(was, now))

    with pytest.raises(Unfit):
        read(file)


# Trying them out


@pytest.fixture(scope="module")
def place() -> Iterator[Stand]:
    with stand(limit=60) as place:
        yield place


@pytest.mark.parametrize("name", [QUICK[0], pytest.param(QUICK[1], marks=pytest.mark.nightly)])
def test_a_guard_that_is_taken_out_is_missed(place: Stand, name: str) -> None:
    verdict = place.try_out(MUTANTS[name])

    assert verdict.fate is Fate.CAUGHT
    assert "::test_" in verdict.by


def change(was: str, now: str, stage: str = "pytest tests/domain/test_settings.py") -> Mutant:
    path = Path(settings.__file__).relative_to(ROOT)
    return mutant(Hunk("", [was], [now]), path=str(path), stage=stage)


DOCSTRING = '"""How a node behaves: one frozen record, its relations checked where they live."""'


@pytest.mark.nightly
def test_what_breaks_nothing_survives(place: Stand) -> None:
    verdict = place.try_out(change(DOCSTRING, '"""Something else."""'))

    assert verdict.fate is Fate.SURVIVED
    assert command.summary([verdict], 1.0).exit_code == 1
    assert command.summary([verdict], 1.0).line == (
        "mutants: 1 mutants · caught 0 · survived 1 · 1 violations · 1 s"
    )


@pytest.mark.nightly
def test_what_cannot_be_run_at_all_is_no_catch(place: Stand) -> None:
    assert place.try_out(change(DOCSTRING, "(")).fate is Fate.BROKEN


@pytest.mark.parametrize(
    ("code", "told", "fate"),
    [
        (1, "FAILED tests/x.py::test_a[b - c] - AssertionError: no", Fate.CAUGHT),
        (1, "FAILED tests/x.py::test_a - psycopg.errors.CheckViolation: no", Fate.CAUGHT),
        (1, "FAILED tests/x.py::test_a - psycopg.errors.SyntaxError: no", Fate.BROKEN),
        (1, "FAILED tests/x.py::test_a - psycopg.errors.UndefinedColumn: no", Fate.BROKEN),
        (1, "FAILED tests/x.py::test_a - NameError: no", Fate.BROKEN),
        (1, "ERROR tests/x.py::test_a - AssertionError: no", Fate.BROKEN),
        (1, "nothing of tests", Fate.BROKEN),
        (2, "FAILED tests/x.py::test_a - AssertionError: no", Fate.BROKEN),
        (5, "no tests ran", Fate.BROKEN),
        (None, "", Fate.BROKEN),
        (0, "", Fate.SURVIVED),
    ],
)
def test_only_a_test_that_fails_catches(code: int | None, told: str, fate: Fate) -> None:
    assert judge(Ran(code, f"=== short test summary info ===\n{told}\n", 1.0))[0] is fate


def test_a_stage_of_the_proof_catches_by_its_exit_code() -> None:
    assert judge_stage(Ran(1, "sim: 1 violations", 1.0)) == (Fate.CAUGHT, "sim: 1 violations")
    assert judge_stage(Ran(0, "sim: 0 violations", 1.0))[0] is Fate.SURVIVED
    assert judge_stage(Ran(2, "usage", 1.0))[0] is Fate.BROKEN
    crashed = "Traceback (most recent call last):\nKeyError"
    assert judge_stage(Ran(1, crashed, 1.0))[0] is Fate.BROKEN


def test_tests_that_fail_anyway_catch_nothing(place: Stand) -> None:
    verdict = place.try_out(change(DOCSTRING, "", stage="pytest tests/no_such_test.py"))

    assert (verdict.fate, verdict.by) == (Fate.BROKEN, "fails without the mutant as well")


def test_tests_that_do_not_end_catch_nothing(place: Stand) -> None:
    short = Stand(place.tree, place.server, limit=0.1)
    short._sound[MUTANTS[QUICK[0]].command] = True

    verdict = short.try_out(MUTANTS[QUICK[0]])
    assert (verdict.fate, verdict.by) == (Fate.BROKEN, "did not end")


# The page


def test_a_run_of_some_leaves_the_other_rows_alone() -> None:
    one, two = replace(mutant(), name="one"), replace(mutant(), name="two")
    before = "<!-- mutants:begin -->\n<!-- mutants:end -->\n"
    verdicts = [Verdict(one, Fate.CAUGHT, "t::a|b", 1.5), Verdict(two, Fate.SURVIVED, "", 2.5)]
    text = before.replace("\n", "\n" + page.block(before, verdicts, ["one", "two"]), 1)

    assert page.rows_of(text).keys() == {"one", "two"}
    assert "| `one` | Nothing works. | ONCE | `t::a\\|b` | 1.5 |" in text
    assert "2 mutants, 1 caught, 1 survived; 4 seconds" in text
    later = page.block(text, [Verdict(two, Fate.CAUGHT, "t::b", 0.5)], ["one", "two"])
    assert "2 mutants, 2 caught, 0 survived; 2 seconds" in later
    assert "1 mutants, 1 caught" in page.block(text, [], ["one"])
