"""Loading the application: what was imported from where, and what went wrong."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fcs import App
from fcs.registry import InvalidTaskType
from fcs.registry.application import DEFAULT, AppNotLoaded, load

Put = Callable[[str], str]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Write a module into the current folder; the answer is its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    before = set(sys.modules)

    def put(text: str) -> str:
        name = f"module_{len(list(tmp_path.iterdir()))}_of_a_test"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_example_types_are_the_default() -> None:
    assert load(DEFAULT).registry.names() == ["bar", "baz", "foo"]


def test_app_of_the_current_folder(put: Put) -> None:
    name = put("from fcs import App\nmine = App()\n@mine.task\ndef greet() -> None: ...\n")
    assert load(f"{name}:mine").registry.names() == ["greet"]


def test_app_may_be_an_attribute_of_something(put: Put) -> None:
    name = put("from fcs import App\nclass Shop:\n    app = App()\n")
    assert isinstance(load(f"{name}:Shop.app"), App)


def test_module_that_is_not_there(put: Put, tmp_path: Path) -> None:
    with pytest.raises(AppNotLoaded, match=f"no module 'nowhere'.*{tmp_path}"):
        load("nowhere:app")
    with pytest.raises(AppNotLoaded, match="no module 'nowhere'"):
        load("nowhere.tasks:app")


def test_module_that_needs_another_one(put: Put) -> None:
    name = put("import nowhere\n")
    with pytest.raises(AppNotLoaded, match=f"importing '{name}' failed.*nowhere.*{name}.py:1"):
        load(f"{name}:app")


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit(3)", "def broken("])
def test_module_that_fails(put: Put, line: str) -> None:
    name = put(f"import fcs\n{line}\n")
    with pytest.raises(AppNotLoaded, match=f"importing '{name}' failed"):
        load(f"{name}:app")


def test_task_that_cannot_be_one_says_so_itself(put: Put) -> None:
    name = put("from fcs import App\napp = App()\n@app.task\ndef greet(*names): ...\n")
    with pytest.raises(InvalidTaskType, match="greet"):
        load(f"{name}:app")


def test_other_name_of_the_app_is_found(put: Put) -> None:
    name = put("from fcs import App\nmine = App()\n")
    with pytest.raises(AppNotLoaded, match="is nothing") as refusal:
        load(f"{name}:app")
    assert refusal.value.hint == f"Did you mean {name}:mine?"


def test_something_else_than_an_app(put: Put) -> None:
    name = put("app = 5\n")
    with pytest.raises(AppNotLoaded, match=r"is a int, not a fcs\.App") as refusal:
        load(f"{name}:app")
    assert "fcs.App()" in refusal.value.hint
