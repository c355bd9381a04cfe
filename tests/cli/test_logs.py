"""Logs: JSON lines or lines for people, none of which can be faked from outside."""

import json
import logging
from collections.abc import Iterator

import pytest

from fcs.cli import logs
from fcs.cli.common import Common
from fcs.domain.errors import InvalidSettings

log = logging.getLogger("fcs.somewhere")

HOSTILE = "said\n12:00:00 info    x: all is well\r\x1b[2J\x07\u202e\x9b31m"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._CHATTY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(False)


def test_without_a_terminal_each_record_is_a_line_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up(Common())
    log.info("worker ready: slots=%d", 8)
    [line] = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["event"] == "worker ready: slots=8"
    assert record["level"] == "info"
    assert record["logger"] == "fcs.somewhere"
    assert record["timestamp"].endswith("Z")


def test_lines_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_LOG", "console")
    logs.set_up(Common())
    log.warning("worker lost: incarnation=%s", 1)
    line = capsys.readouterr().err
    assert line.endswith(" warning somewhere: worker lost: incarnation=1\n")


@pytest.mark.parametrize("form", ["console", "json"])
def test_hostile_text_fakes_no_line_and_reaches_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("FCS_LOG", form)
    logs.set_up(Common())
    log.info("task failed: error=%s", HOSTILE)
    err = capsys.readouterr().err
    assert not {"\r", "\x1b", "\x07", "\u202e", "\x9b"} & set(err)
    assert not any(line.startswith("12:00:00") for line in err.splitlines())


def test_traceback_is_set_in_under_its_record(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_LOG", "console")
    logs.set_up(Common())
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("it failed")
    _, *lines = capsys.readouterr().err.splitlines()
    assert any("ValueError" in line for line in lines)
    assert all(line.startswith("    ") for line in lines)


@pytest.mark.parametrize(
    ("common", "variable", "shown"),
    [
        (Common(), "", ["info", "warning"]),
        (Common(verbose=True), "", ["debug", "info", "warning"]),
        (Common(quiet=True), "", ["warning"]),
        (Common(), "error", []),
        (Common(), "DEBUG", ["debug", "info", "warning"]),
        (Common(verbose=True), "error", ["debug", "info", "warning"]),
    ],
)
def test_level(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    common: Common,
    variable: str,
    shown: list[str],
) -> None:
    monkeypatch.setenv("FCS_LOG_LEVEL", variable)
    logs.set_up(common)
    for level in ("debug", "info", "warning"):
        getattr(log, level)("said")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["level"] for line in lines] == shown


def test_colours_only_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_LOG", "console")

    def warn(common: Common) -> str:
        logs.set_up(common)
        log.warning("said")
        return capsys.readouterr().err

    assert "\x1b" not in warn(Common())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in warn(Common())
    assert "\x1b" not in warn(Common(no_color=True))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in warn(Common())


@pytest.mark.parametrize("variable", ["FCS_LOG", "FCS_LOG_LEVEL"])
def test_unknown_form_or_level_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "loud")
    with pytest.raises(InvalidSettings, match=f"{variable}='loud'"):
        logs.set_up(Common())
