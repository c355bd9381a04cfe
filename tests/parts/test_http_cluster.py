"""The cluster over HTTP: how it is led, and that it be led otherwise."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest
from tests.parts.http_service import NOWHERE, Service, assert_problem, serving
from tests.parts.stage import hire_fake, supervising, until
from tests.pooler import around

from fcs.database import leadership
from fcs.database.connect import Connection, connect
from fcs.database.leadership import SESSIONS, Candidate
from fcs.domain.ids import NodeId
from fcs.domain.topology import Part

ANN = Candidate(NodeId(UUID(int=0xA)), Part.ELECTABLE_WORKER, "ann", 42)


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as service:
        yield service


@pytest.fixture(scope="module")
async def refuser() -> AsyncIterator[Service]:
    """For what is refused before any database is asked: it has none, and would answer 503."""
    async with serving(NOWHERE) as service:
        yield service


async def test_it_is_shown_who_leads_and_who_goes_along(
    service: Service, db: Connection, database_url: str
) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=60)
    fake = await hire_fake(db, ["baz"])
    async with await connect(around(database_url), part=SESSIONS[Part.SUPERVISOR]):
        shown = (await service.client.get("/cluster")).json()

    assert (shown["mode"], shown["strategy"], shown["term"]) == ("elected", "random", 1)
    assert 0 < shown["expires_in"] <= 60
    leader = shown["leader"]
    assert leader.pop("since").endswith("Z")
    expected = {"node": str(ANN.node), "part": "electable worker", "host": "ann", "pid": 42}
    assert leader == expected
    assert shown["candidates"] == {"supervisors": 1, "electable_workers": 0}
    [node] = shown["nodes"]
    assert (node["id"], node["state"], node["follows"]) == (str(fake.papers.id), "live", None)
    assert shown["problems"] == []


@pytest.mark.direct  # behind a pooler nobody's name is seen
async def test_processes_are_counted_as_what_they_were_started_as(
    service: Service, database_url: str
) -> None:
    parts = [Part.SUPERVISOR, Part.ELECTABLE_WORKER, Part.ELECTABLE_WORKER, Part.WORKER]
    expected = {"supervisors": 1, "electable_workers": 2}
    async with AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(supervising(database_url, part=part))

        async def all_are_there() -> bool:
            shown = (await service.client.get("/cluster")).json()
            return bool(shown["candidates"] == expected)

        await until(all_are_there)


async def test_a_change_is_answered_with_what_came_of_it(service: Service) -> None:
    changed = await service.client.put("/cluster", json={"mode": "hash", "strategy": "sticky"})
    assert changed.status_code == 200
    assert (changed.json()["mode"], changed.json()["strategy"]) == ("hash", "sticky")
    assert changed.json()["problems"] == []

    changed = await service.client.put("/cluster", json={"mode": "dedicated"})
    assert (changed.json()["mode"], changed.json()["strategy"]) == ("dedicated", "sticky")
    assert [problem["code"] for problem in changed.json()["problems"]] == ["no_supervisor"]
    assert (await service.client.get("/cluster")).json()["mode"] == "dedicated"


async def test_limits_refuse_the_mode_hash_and_it_refuses_limits(service: Service) -> None:
    await service.client.patch("/queues/mail", json={"running_max": 3})
    refused = await service.client.put("/cluster", json={"mode": "hash"})
    assert_problem(refused, 409, "limits_need_leader")
    assert "mail" in refused.json()["detail"]

    await service.client.patch("/queues/mail", json={"running_max": None})
    assert (await service.client.put("/cluster", json={"mode": "hash"})).status_code == 200
    refused = await service.client.patch("/queues/mail", json={"running_max": 3})
    assert_problem(refused, 409, "limits_need_leader")
    paused = await service.client.post("/queues/mail/pause")
    assert paused.status_code == 200


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, ""),
        ({"strategy": "random"}, ""),
        ({"mode": "ring"}, "/mode"),
        ({"mode": "hash", "strategy": "best"}, "/strategy"),
        ({"mode": "hash", "leader": "me"}, "/leader"),
    ],
)
async def test_a_wrong_wish_is_named(refuser: Service, body: Any, place: str) -> None:
    answer = await refuser.client.put("/cluster", json=body)

    assert_problem(answer, 422, "validation_failed", place)


async def test_a_database_that_is_away_is_said_to_be(refuser: Service) -> None:
    assert_problem(await refuser.client.get("/cluster"), 503, "database_unavailable")
