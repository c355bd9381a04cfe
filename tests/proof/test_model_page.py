"""The page and the command: what they say is what was found."""

import re
from pathlib import Path

import pytest

from fcs.domain.task import MOVES
from proof.model import command, page, spin
from proof.model.configurations import LONG, SHORT, safe
from proof.model.mistakes import MISTAKES, of_tables
from proof.model.moves import SET_ASIDE, without
from proof.summary import Summary

PAGE = page.PAGE.read_text("utf-8")


def test_the_stories_are_those_that_the_command_tells() -> None:
    shown = page.STORIES.search(PAGE)

    assert shown
    assert shown[0] == "\n".join(page.stories(MISTAKES)) + "\n", (
        "run: python -m proof model --long --publish"
    )


def test_the_page_says_what_is_left_out() -> None:
    for name in SET_ASIDE:
        assert re.search(rf"`{name}`", PAGE), name


@pytest.fixture
def one_configuration(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(command, "SHORT", SHORT[:1])
    monkeypatch.setattr(command, "MISTAKES", MISTAKES[:1])
    monkeypatch.setattr(spin, "is_here", lambda: False)
    return monkeypatch


@pytest.mark.usefixtures("one_configuration")
def test_the_last_line_sums_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "summary.json"

    assert command.main(["--json", str(file)]) == 0

    *_, last = capsys.readouterr().out.splitlines()
    assert last == Summary.read(file).line
    assert re.fullmatch(
        r"model: 1,928 states · configurations 1 · must-fail 1 of 1 found · Spin not installed"
        r" · 0 violations · \d+ s",
        last,
    )


def test_a_broken_promise_is_told_and_fails_the_command(
    one_configuration: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = safe(moves=without("run_id", "release"), dispatches=3)
    one_configuration.setattr(command, "SHORT", [broken])

    assert command.main([]) == 1

    said = capsys.readouterr().out
    assert "WRONG" in said
    assert "OWNER: somebody has ended a run that was not its own" in said
    assert "gives run 1 back" in said
    assert " 1 violations" in said


def test_a_mistake_that_breaks_nothing_fails_the_command(
    one_configuration: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harmless = of_tables("none", "Nothing.", "ONCE", moves=MOVES)
    one_configuration.setattr(command, "MISTAKES", [harmless])

    assert command.main([]) == 1
    assert "NOT FOUND" in capsys.readouterr().out


@pytest.mark.skipif(not spin.is_here(), reason="needs spin and a C compiler")
@pytest.mark.parametrize(
    "given",
    [spin.BAD[-1], *(pytest.param(one, marks=pytest.mark.nightly) for one in spin.ALL)],
    ids=str,
)
def test_the_second_model_agrees(given: spin.Given) -> None:
    assert bool(spin.check(given).errors) == (given in spin.BAD)


def test_configurations_have_names_of_their_own() -> None:
    names = [configuration.name for configuration in LONG]

    assert len(names) == len(set(names))
