"""Tasks that wait for others: from Python, over HTTP, and through to the end."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.parts.http_service import Service, assert_problem, serving
from tests.parts.stage import CALM, DEAF, count, reach, supervising, until, view, working

from fcs import App, Status
from fcs.client.handler import Handler
from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.domain.errors import InvalidInput, NeedsNotFound
from fcs.domain.ids import TaskId

Work = Handler[..., Any, Any]


@pytest.fixture
def done() -> list[str]:
    """What has run, in order."""
    return []


@pytest.fixture
def work(app: App, done: list[str]) -> Work:
    @app.task
    async def work(name: str) -> None:
        done.append(name)
        if name.startswith("bad"):
            raise ValueError(name)

    return work


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as service:
        yield service


async def test_a_callback_runs_when_all_are_done(
    app: App, work: Work, done: list[str], database_url: str, db: Connection
) -> None:
    parts = await work.enqueue_many([{"name": str(n)} for n in range(20)])
    report = await work.using(after=parts).enqueue("report")
    last = await work.using(after=[report]).enqueue("last")

    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [last.id], Status.SUCCEEDED)
    assert done[-2:] == ["report", "last"]
    assert len(done) == 22


async def test_it_needs_no_look_at_the_rows(
    app: App, work: Work, database_url: str, db: Connection
) -> None:
    """Hints alone carry it, from the creation of each to its end."""
    async with (
        supervising(database_url, DEAF),
        working(database_url, app.registry, settings=DEAF),
    ):
        for _ in range(5):
            first = await work.enqueue("first")
            second = await work.using(after=[first]).enqueue("second")
            await reach(db, [second.id], Status.SUCCEEDED)


async def test_nothing_is_lost_when_no_supervisor_heard_of_it(
    app: App, work: Work, database_url: str, db: Connection
) -> None:
    """The notes are rows: whoever supervises next sees to them."""
    first = await work.enqueue("first")
    async with supervising(database_url, CALM):
        second = await work.using(after=[first]).enqueue("second")
        await until(lambda: is_marked(db, first.id))
    await tasks.cancel(db, [first.id], reason="")
    third = await work.using(after=[second], when_needs_fail="run").enqueue("third")

    async with supervising(database_url, CALM), working(database_url, app.registry):
        await reach(db, [third.id], Status.SUCCEEDED)
    assert (await view(db, second.id)).status is Status.CANCELLED


async def is_marked(db: Connection, id: UUID) -> bool:
    query = "select count(*) from fcs.tasks where id = %s and is_needed"
    return await count(db, query, id) == 1


async def test_a_failure_cancels_what_needs_it_unless_that_may_be(
    app: App, work: Work, done: list[str], database_url: str, db: Connection
) -> None:
    bad = await work.enqueue("bad")
    strict = await work.using(after=[bad]).enqueue("strict")
    lenient = await work.using(after=[bad, strict], when_needs_fail="run").enqueue("lenient")

    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [lenient.id], Status.SUCCEEDED)
    assert done == ["bad", "lenient"]
    cancelled = await view(db, strict.id)
    assert cancelled.status is Status.CANCELLED
    assert str(bad.id) in (cancelled.error or "")


async def test_needs_are_named_by_task_or_by_id(work: Work, db: Connection) -> None:
    first, second = await work.enqueue("1"), await work.enqueue("2")
    await work.using(after=[first, second.id, str(first.id)]).enqueue("3")
    work.using(after=iter([first])).enqueue_sync("4")

    assert await count(db, "select count(*) from fcs.dependencies") == 3


async def test_what_cannot_be_needed_is_refused(work: Work, db: Connection) -> None:
    task = await work.enqueue("1")
    with pytest.raises(InvalidInput, match="not the id of a task"):
        work.using(after=["order-17"])
    with pytest.raises(InvalidInput, match="not a list"):
        work.using(after=task)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no answer"):
        work.using(after=[task], when_needs_fail="retry")
    with pytest.raises(NeedsNotFound):
        await work.using(after=[uuid4()]).enqueue("2")
    with pytest.raises(NeedsNotFound):
        work.using(after=[task, uuid4()]).enqueue_sync("2")
    assert await count(db, "select count(*) from fcs.tasks") == 1


# Over HTTP


async def test_a_task_over_http_waits_for_others(service: Service, db: Connection) -> None:
    first = await service.create({"def": {"ty": "baz"}})
    second = await service.create(
        {"def": {"ty": "baz"}, "after": [first], "when_needs_fail": "run"}
    )

    query = "select count(*) from fcs.tasks where id = %s and open_needs = 1 and needs_may_fail"
    assert await count(db, query, second) == 1
    refused = await service.client.delete(f"/tasks/{first}")
    assert_problem(refused, 409, "task_needed")
    assert (await service.client.delete(f"/tasks/{second}")).status_code == 204
    assert (await service.client.delete(f"/tasks/{first}")).status_code == 204


async def test_what_is_not_there_is_named(service: Service, db: Connection) -> None:
    there, gone = await service.create({"def": {"ty": "baz"}}), TaskId(uuid4())
    answer = await service.post({"def": {"ty": "baz"}, "after": [there, str(gone)]})

    assert_problem(answer, 422, "needs_not_found", "/after")
    assert str(gone) in answer.json()["detail"]
    assert there not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("after", "1", "/after"),
        ("after", ["1"], "/after/0"),
        ("when_needs_fail", "retry", "/when_needs_fail"),
    ],
)
async def test_nonsense_is_named_by_its_place(
    service: Service, field: str, value: Any, place: str
) -> None:
    answer = await service.post({"def": {"ty": "baz"}, field: value})
    assert_problem(answer, 422, "validation_failed", place)
