"""Which version a run is about: the product and its proof, whatever becomes of the pages."""

import subprocess
from pathlib import Path

import pytest

from proof import ledger


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    for name in ("src/core.py", "proof/ledger.jsonl", "README.md"):
        write(tmp_path / name, "one\n")
    commit(tmp_path)
    return tmp_path


def git(root: Path, *words: str) -> None:
    names = ("-c", "user.name=foo", "-c", "user.email=foo@example.com")
    subprocess.run(["git", *names, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Change something")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("name", ["proof/ledger.jsonl", "README.md"])
def test_a_night_goes_on_while_its_ledger_and_the_pages_change(root: Path, name: str) -> None:
    before = ledger.version(root)

    write(root / name, "two\n")
    assert ledger.version(root) == before
    commit(root)
    assert ledger.version(root) == before


def test_another_product_is_another_version(root: Path) -> None:
    before = ledger.version(root)

    write(root / "src/core.py", "two\n")
    assert ledger.version(root) == f"{before}-dirty"
    commit(root)
    assert ledger.version(root) not in (before, f"{before}-dirty")
