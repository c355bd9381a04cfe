"""The pages on the promise and on failures name tests and numbers; each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "explanation"
FAILURES = PAGES / "failures.md"
PROMISE = PAGES / "promise.md"
NUMBER = re.compile(r"\bF-[0-9]+\b")
CITING = frozenset({".md", ".patch", ".pml", ".py", ".sql"})


def named(page: Path) -> list[tuple[str, str]]:
    return sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8"))))


def numbered() -> list[str]:
    return re.findall(r"^\| (F-[0-9]+) \|", FAILURES.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", [PROMISE, FAILURES], ids=lambda page: page.stem)
def test_it_names_some(page: Path) -> None:
    assert len(named(page)) > 30


@pytest.mark.parametrize(("file", "name"), sorted({*named(PROMISE), *named(FAILURES)}))
def test_what_it_names_is_there(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)


def test_each_failure_that_is_cited_has_a_row() -> None:
    rows = numbered()
    assert rows == [f"F-{number:02}" for number in range(1, len(rows) + 1)]

    unknown = {
        f"{path.relative_to(ROOT)}: {number}"
        for folder in ("src", "tests", "proof", "docs")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in CITING
        for number in NUMBER.findall(path.read_text("utf-8"))
        if number not in rows
    }
    assert not unknown
