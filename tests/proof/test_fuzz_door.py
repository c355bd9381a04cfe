"""The short form of the fuzz of HTTP: one real cluster, and strangers of every kind at its door."""

from collections.abc import Iterator
from random import Random

import pytest
from tests.conftest import Server, fresh_database

from proof.fuzz import crowd, pack, rights
from proof.fuzz.cases import Case, all_cases, one
from proof.fuzz.scene import Scene, describe, opened
from proof.fuzz.wire import HUNG_UP, Answer, request

pytestmark = [pytest.mark.slow, pytest.mark.direct, pytest.mark.xdist_group("fuzz")]


@pytest.fixture(scope="module")
def scene(
    postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    with (
        fresh_database(postgres, template) as url,
        opened(url, tmp_path_factory.mktemp("door")) as scene,
    ):
        yield scene


def test_every_case_of_the_pack_is_answered_as_the_table_says(scene: Scene) -> None:
    assert pack.run(scene, pack.pack(long=False, rng=Random(1))).violations == []


def test_nobody_without_the_token_gets_anywhere(scene: Scene) -> None:
    assert rights.run(scene, describe(scene.address)).violations == []


def test_a_crowd_that_does_nothing_keeps_nobody_from_being_served(scene: Scene) -> None:
    assert crowd.run(scene, size=100, long=False).violations == []


def test_requests_drawn_from_the_description_are_answered_as_it_says(scene: Scene) -> None:
    from proof.fuzz import api

    report = api.run(scene, seconds=0, rng=Random(1), examples=2)
    assert report.violations == []


# The runner itself: what would be a violation is found to be one.


@pytest.mark.parametrize(
    ("case", "found"),
    [
        (one("nothing there", request("GET", "/nothing"), 200), "answered (404,)"),
        (one("no token", request("GET", "/tasks", token=None), 200), "answered (401,)"),
        (one("no HTTP", b"nonsense\r\n\r\n", HUNG_UP), "answered (400,)"),
    ],
)
def test_a_case_that_is_answered_otherwise_is_a_violation(
    scene: Scene, case: Case, found: str
) -> None:
    assert found in str(pack.try_one(scene.address, case))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain", b"{}"),
        Answer(404, PROBLEM := b"HTTP/1.1 404 X\r\ncontent-type: application/problem+json",
               b'{"status":400,"code":"x"}'),
        Answer(404, PROBLEM, b'{"status":404,"code":"x","detail":"select from fcs.tasks"}'),
    ],
)  # fmt: skip
def test_a_refusal_that_is_none_or_tells_too_much_is_a_violation(answer: Answer) -> None:
    assert pack.fault_of(answer, b"") is not None


def test_no_case_of_the_pack_has_the_name_of_another() -> None:
    names = [case.name for case in all_cases()]
    assert len(names) == len(set(names))


def test_an_operation_that_does_not_say_that_it_may_refuse_is_found() -> None:
    described = {"paths": {"/tasks": {"parameters": [], "get": {"responses": {"200": {}}}}}}
    assert list(rights.undocumented(described)) != []
