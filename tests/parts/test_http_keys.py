"""The header Idempotency-Key: the same request again gets the same answer."""

from collections.abc import AsyncIterator

import pytest
from tests.parts.http_service import Service, assert_problem, serving
from tests.parts.stage import connected

from fcs.client.ids import new_task_id
from fcs.database import creation
from fcs.domain.task import NewTask

BAZ = {"def": {"ty": "baz"}}
KEY = {"Idempotency-Key": "order-17"}


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as service:
        yield service


async def test_the_same_again_gets_the_first_answer(service: Service) -> None:
    first, again = await service.post(BAZ, **KEY), await service.post(BAZ, **KEY)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await service.client.get("/tasks")).json()) == 1


async def test_what_means_the_same_is_the_same(service: Service) -> None:
    photo = "205109a7-bcd4-4106-a960-ab45b4c42df8"
    first = await service.post({"def": {"ty": "resize", "photo": photo, "width": 5}}, **KEY)
    again = await service.post(
        {"queue": "photos", "def": {"width": 5, "photo": photo, "ty": "resize"}}, **KEY
    )
    assert first.content == again.content


async def test_a_key_is_the_same_over_http_and_from_python(
    service: Service, database_url: str
) -> None:
    """Headers are bytes; whoever writes more than ASCII writes UTF-8."""
    first = NewTask(new_task_id(), "baz", b"{}", key="zamówienie-ą-注文")
    async with connected(database_url) as db:
        await creation.add(db, [first])

    answer = await service.client.post(
        "/tasks",
        json=BAZ,
        headers={b"Idempotency-Key": first.key.encode()},  # type: ignore[union-attr]
    )
    assert answer.headers["idempotency-replayed"] == "true"
    assert answer.json() == {"id": str(first.id)}

    answer = await service.client.post("/tasks", json=BAZ, headers={b"Idempotency-Key": b"\xff"})
    assert "UTF-8" in answer.json()["detail"]


async def test_something_else_under_the_key_is_refused(service: Service) -> None:
    await service.post(BAZ, **KEY)
    answer = await service.post(BAZ | {"priority": 1}, **KEY)

    assert_problem(answer, 422, "key_reused")
    assert "order-17" in answer.json()["detail"]


async def test_a_request_that_was_wrong_has_not_used_its_key(service: Service) -> None:
    assert (await service.post({"def": {"ty": "bazz"}}, **KEY)).status_code == 422
    assert (await service.post(BAZ, **KEY)).status_code == 201


async def test_a_key_stands_for_the_whole_array(service: Service) -> None:
    note = {"def": {"ty": "note", "anything": 1}}
    first, again = await service.post([BAZ, note], **KEY), await service.post([BAZ, note], **KEY)

    assert first.json() == again.json()
    assert len(first.json()) == 2
    assert again.headers["idempotency-replayed"] == "true"
    for other in ([note, BAZ], [BAZ], BAZ):
        assert_problem(await service.post(other, **KEY), 422, "key_reused")
    assert len((await service.client.get("/tasks")).json()) == 2


async def test_a_key_whose_first_request_is_in_flight_is_worth_another_try(
    service: Service, database_url: str
) -> None:
    async with connected(database_url) as db, db.transaction():
        await creation.add(db, [NewTask(new_task_id(), "baz", b"{}", key="order-17")])
        answer = await service.post(BAZ, **KEY)
    assert_problem(answer, 409, "key_in_flight")
    assert answer.headers["retry-after"] == "1"
    assert (await service.post(BAZ, **KEY)).headers["idempotency-replayed"] == "true"


async def test_the_key_may_be_quoted_as_the_draft_of_the_standard_wants_it(
    service: Service,
) -> None:
    first = await service.post(BAZ, **KEY)
    again = await service.post(BAZ, **{"Idempotency-Key": '"order-17"'})
    assert first.content == again.content


@pytest.mark.parametrize("key", ["", '""', "k" * 256])
async def test_what_is_no_key_is_refused(service: Service, key: str) -> None:
    answer = await service.post(BAZ, **{"Idempotency-Key": key})
    assert_problem(answer, 422, "validation_failed")
    assert "Idempotency-Key" in answer.json()["detail"]
