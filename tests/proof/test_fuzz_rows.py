"""The short form of the fuzz by way of the database: hostile rows and notifications."""

from collections.abc import Iterator
from random import Random

import pytest
from tests.conftest import Server, fresh_database

from proof.fuzz import hints, rows
from proof.fuzz.hints import LENGTH_MAX, payload
from proof.fuzz.scene import Scene, opened

pytestmark = [pytest.mark.slow, pytest.mark.direct, pytest.mark.xdist_group("fuzz")]


@pytest.fixture(scope="module")
def scene(
    postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    with (
        fresh_database(postgres, template) as url,
        opened(url, tmp_path_factory.mktemp("rows"), workers=2) as scene,
    ):
        yield scene


def test_no_notification_ends_a_process_or_keeps_tasks_from_going_on(scene: Scene) -> None:
    assert hints.run(scene, count=2_000, rng=Random(1)).violations == []


def test_no_row_ends_a_process_or_keeps_tasks_from_going_on(scene: Scene) -> None:
    assert rows.run(scene, rows.all_rows()).violations == []


def test_a_row_that_does_not_end_as_it_should_is_a_violation(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.system.harness.PATIENCE", 1.0)
    wrong = rows.Row("good", {}, ("failed",), unreadable=True)
    found = rows.run(scene, [wrong]).violations
    assert [what.split()[1] for what in found] == ["is", "unreadable"]


def test_what_is_notified_is_something_that_postgres_takes() -> None:
    rng = Random(1)
    for _ in range(2_000):
        text = payload(rng, [])
        assert len(text.encode()) <= LENGTH_MAX
        assert "\0" not in text
