"""Queues over HTTP: looked at, limited, paused, resumed, measured."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.parts.http_service import NOWHERE, Service, assert_problem, serving

UNTOUCHED = {
    "name": "mail",
    "due": 0,
    "scheduled": 0,
    "held": 0,
    "paused_at": None,
    "paused_by": "",
    "paused_why": "",
    "running_max": None,
    "rate": None,
    "burst": None,
    "key_running_max": None,
    "key_rate": None,
    "key_burst": None,
    "updated_at": None,
}


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as service:
        yield service


@pytest.fixture(scope="module")
async def refuser() -> AsyncIterator[Service]:
    """For what is refused before any database is asked: it has none, and would answer 503."""
    async with serving(NOWHERE) as service:
        yield service


async def test_every_name_is_a_queue(service: Service) -> None:
    answer = await service.client.get("/queues/mail")

    assert answer.json() == UNTOUCHED
    assert (await service.client.get("/queues")).json() == []


async def test_limits_are_changed_one_by_one(service: Service) -> None:
    await service.client.patch("/queues/mail", json={"running_max": 3, "rate": "30/m"})
    answer = await service.client.patch("/queues/mail", json={"running_max": None, "key_rate": 2})

    assert answer.status_code == 200
    changed = answer.json()
    assert changed.pop("updated_at").endswith("Z")
    assert UNTOUCHED | changed == UNTOUCHED | {"rate": 0.5, "key_rate": 2, "updated_at": None}
    [listed] = (await service.client.get("/queues")).json()
    assert listed["rate"] == 0.5


async def test_a_pause_says_who_and_why_until_it_ends(service: Service) -> None:
    paused = await service.client.post(
        "/queues/mail/pause", json={"by": "ann", "why": "it is down"}
    )
    assert paused.status_code == 200
    shown = paused.json()
    assert (shown["paused_by"], shown["paused_why"]) == ("ann", "it is down")
    assert shown["paused_at"].endswith("Z")

    resumed = (await service.client.post("/queues/mail/resume")).json()
    assert (resumed["paused_at"], resumed["paused_by"], resumed["paused_why"]) == (None, "", "")


async def test_acts_sent_twice_are_the_same_acts(service: Service) -> None:
    for act in ("pause", "pause", "resume", "resume"):
        assert (await service.client.post(f"/queues/mail/{act}")).status_code == 200


async def test_the_depth_is_a_number_for_a_scaler(service: Service) -> None:
    for _ in range(3):
        await service.create({"def": {"ty": "baz"}, "queue": "mail"})
    later = {"def": {"ty": "baz"}, "queue": "mail", "scheduled_at": "2031-05-17T09:00:00Z"}
    await service.create(later)

    assert (await service.client.get("/queues/mail/depth")).json() == {"value": 3}
    mail = (await service.client.get("/queues/mail")).json()
    assert (mail["due"], mail["scheduled"], mail["held"]) == (3, 1, 0)


@pytest.mark.parametrize("name", ["a%20b", "-x", "x" * 101, "%00"])
async def test_what_cannot_be_a_queue_is_not_found(refuser: Service, name: str) -> None:
    assert_problem(await refuser.client.get(f"/queues/{name}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"running_max": 0}, "/running_max"),
        ({"running_max": "3"}, "/running_max"),
        ({"burst": 1.5}, "/burst"),
        ({"rate": 0}, "/rate"),
        ({"key_rate": "often"}, "/key_rate"),
        ({"speed": 3}, "/speed"),
    ],
)
async def test_a_wrong_limit_is_named(refuser: Service, body: Any, place: str) -> None:
    answer = await refuser.client.patch("/queues/mail", json=body)

    assert_problem(answer, 422, "validation_failed", place)


async def test_a_wrong_pause_is_named(refuser: Service) -> None:
    answer = await refuser.client.post("/queues/mail/pause", json={"why": "x" * 1_001})

    assert_problem(answer, 422, "validation_failed", "/why")


async def test_a_database_that_is_away_is_said_to_be(refuser: Service) -> None:
    assert_problem(await refuser.client.get("/queues"), 503, "database_unavailable")
