"""The checker of the torture, as a program: it reads the books, judges them, and says how."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.proof.lives import EVENTS, GOOD, INSTANCE, NOON, WORKER, Row, line, says

from proof.ledger import ROOT
from proof.torture import checker, checks
from proof.torture.finding import Finding, quantile, table
from proof.torture.history import History, Line, read


@pytest.mark.parametrize("check", checker.CHECKS)
def test_a_life_as_it_should_be_violates_nothing(check: Callable[[History], Finding]) -> None:
    assert says(check(GOOD)) == []


def test_the_checker_knows_nothing_of_fcs() -> None:
    program = (
        "import sys; import proof.torture.checker;"
        "known = {name.partition('.')[0] for name in sys.modules};"
        "sys.exit(bool(known & {'fcs', 'tests', 'psycopg', 'msgspec'}))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_the_table_names_each_violation_and_how_to_look_at_it() -> None:
    twice = replace(GOOD, lines=(*GOOD.lines, line("began", 12.0, run="other")))
    said = table([checks.once(twice)], "books")
    assert "C1    ONCE: a body starts at most once" in said
    assert "python -m proof.torture.checker books --about task" in said


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.99, 4.0), (0.0, 1.0)])
def test_quantiles(share: float, value: float) -> None:
    assert quantile([4.0, 1.0, 2.0, 3.0], share) == value
    assert quantile([], share) == 0.0


def test_the_books_of_a_folder_are_read_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_books(tmp_path)
    history = read(tmp_path)
    assert history.lines == list(GOOD.lines)
    assert history.events == list(EVENTS)
    assert history.calls == list(GOOD.calls)
    assert history.instances == GOOD.instances
    [struck] = history.acts
    assert (struck.kind, struck.instances, struck.began, struck.ended) == (
        "slow",
        (INSTANCE,),
        1,
        2,
    )

    assert checker.main([str(tmp_path)]) == 0
    with (tmp_path / "ledger").open("a") as ledger:
        ledger.write(words(line("began", 12.0, run="other")))
    assert checker.main([str(tmp_path), "--json", str(tmp_path / "found.json")]) == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert [one["check"] for one in found if one["violations"]] == ["C1", "C5"]

    capsys.readouterr()
    assert checker.main([str(tmp_path), "--about", "other"]) == 0
    assert capsys.readouterr().out == f"ledger: {words(line('began', 12.0, run='other'))}"


def words(entry: Line) -> str:
    return " ".join(str(value) for value in entry) + "\n"


def write_books(folder: Path) -> None:
    """The books from which the good history is read."""
    (folder / "ledger").write_text("".join(map(words, GOOD.lines)))
    started = {"instance": INSTANCE, "worker": WORKER, "slots": 2, "pid": 60}
    struck = {"act": 1, "kind": "slow", "instances": [INSTANCE], "at": 1.0, "pid": None}
    books: dict[str, list[Row]] = {
        "nemesis": [
            said("mark", 0.0, name="begun"),
            said("started", 0.0, **started),
            said("act", 1.0, **struck),
            said("end", 2.0, act=1),
            *(said("mark", boot, name=name) for name, boot in GOOD.marks.items()),
        ],
        "clients-1": [
            said("create", 9.9, call=1, serials=[1], key=None),
            said("ok", 10.0, call=1, ids=["task"], error=""),
        ],
        "tasks": list(map(dict, GOOD.tasks.values())),
        "events": [one._asdict() for one in EVENTS],
        "workers": list(map(dict, GOOD.workers)),
        "attempts": [],
        "late_reports": [],
        "ends": [],
    }
    for name, rows in books.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))


def said(op: str, boot: float, **more: Any) -> Row:
    return {"op": op, "boot": boot, "real": NOON + boot, **more}
