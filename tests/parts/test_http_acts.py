"""Acts over HTTP: waiting, cancelling, running once more, one by one and in bulk."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.parts.http_service import NOWHERE, Service, assert_problem, new_id, serving
from tests.parts.proxy import Kind, Proxy, proxied
from tests.parts.stage import Fake, connected, count, give, hire_fake, until_so

from fcs.database import bulk as database_bulk
from fcs.database import runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Ending, Evidence
from fcs.database.sweep import Sweep
from fcs.domain import hints
from fcs.domain.bulk import Action, Filter
from fcs.domain.ids import TaskId
from fcs.domain.task import AttemptOutcome, Status

STRANGER = "205109a7-bcd4-4106-a960-ab45b4c42df8"


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with proxied(database_url) as proxy:
        yield proxy


@pytest.fixture
async def service(proxy: Proxy) -> AsyncIterator[Service]:
    async with serving(proxy.url) as service:
        yield service


@pytest.fixture(scope="module")
async def refuser() -> AsyncIterator[Service]:
    """For what is refused before any database is asked."""
    async with serving(NOWHERE) as service:
        yield service


@pytest.fixture
async def fake(db: Connection) -> Fake:
    return await hire_fake(db, ["baz"], slots=100)


async def create(service: Service, **more: Any) -> TaskId:
    from uuid import UUID

    return TaskId(UUID(await service.create({"def": {"ty": "baz"}} | more)))


async def run(db: Connection, fake: Fake, task_id: TaskId) -> Any:
    await give(db, fake.incarnation, [task_id])
    return await fake.begin(task_id)


async def end(
    db: Connection, fake: Fake, task_id: TaskId, status: Status = Status.SUCCEEDED, **more: Any
) -> None:
    run_id = await run(db, fake, task_id)
    ending = Ending(task_id, run_id, status, **more)
    assert await runs.finish(db, [ending], hints.report(fake.incarnation, 1, 0, 0)) == {task_id}


async def view(service: Service, task_id: TaskId) -> Any:
    return (await service.client.get(f"/tasks/{task_id}")).json()


# --- wait ---


@pytest.mark.parametrize("way", ["query", "header"])
async def test_an_answer_waits_for_the_end(
    service: Service, proxy: Proxy, db: Connection, fake: Fake, way: str
) -> None:
    task_id = await create(service)
    asked = (
        service.client.get(f"/tasks/{task_id}?wait=30s")
        if way == "query"
        else service.client.get(f"/tasks/{task_id}", headers={"Prefer": "x=1, wait=30"})
    )
    waiting = asyncio.create_task(asked)
    await somebody_waits(proxy)
    assert not waiting.done()
    await end(db, fake, task_id, result='{"n": 7}')
    answer = await waiting
    assert (answer.json()["status"], answer.json()["result"]) == ("succeeded", {"n": 7})
    assert answer.headers.get("preference-applied") == ("wait=30" if way == "header" else None)


async def somebody_waits(proxy: Proxy) -> None:
    """Wait until the server has asked which tasks are still open."""
    await until_so(lambda: proxy.sent("still_open") > 0)


async def test_a_task_that_does_not_end_is_shown_as_it_is(service: Service) -> None:
    task_id = await create(service)
    for wait in ("wait=50ms", "wait=0", "wait="):
        answer = await service.client.get(f"/tasks/{task_id}?{wait}")
        assert (answer.status_code, answer.json()["status"]) == (200, "pending")


async def test_a_deleted_task_is_not_waited_for(
    service: Service, proxy: Proxy, db: Connection
) -> None:
    task_id = await create(service)
    waiting = asyncio.create_task(service.client.get(f"/tasks/{task_id}?wait=30"))
    await somebody_waits(proxy)
    await tasks.delete(db, [task_id])
    assert_problem(await waiting, 404, "not_found")
    assert_problem(await service.client.get(f"/tasks/{STRANGER}?wait=30"), 404, "not_found")


async def test_many_who_wait_hold_up_nobody(
    service: Service, proxy: Proxy, db: Connection, fake: Fake
) -> None:
    """BOUND: however many wait, they share the few lines and one question."""
    ids = [await create(service) for _ in range(20)]
    waiting = [
        asyncio.create_task(service.client.get(f"/tasks/{id}?wait=30")) for id in [*ids, *ids]
    ]
    await somebody_waits(proxy)
    assert len((await service.client.get("/tasks")).json()) == 20
    assert 1 <= proxy.parts.count("fcs http") <= 3
    for task_id in ids:
        await end(db, fake, task_id)
    answers = await asyncio.gather(*waiting)
    assert {answer.json()["status"] for answer in answers} == {"succeeded"}


async def test_who_waits_is_told_when_the_server_stops(service: Service, proxy: Proxy) -> None:
    task_id = await create(service)
    waiting = asyncio.create_task(service.client.get(f"/tasks/{task_id}?wait=60"))
    await somebody_waits(proxy)
    service.part.cancel()
    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")


async def test_waiting_outlasts_a_short_absence_of_the_database(
    service: Service, proxy: Proxy, db: Connection, fake: Fake
) -> None:
    task_id = await create(service)
    waiting = asyncio.create_task(service.client.get(f"/tasks/{task_id}?wait=30"))
    await somebody_waits(proxy)
    proxy.leave()
    await end(db, fake, task_id)
    proxy.come_back()
    assert (await waiting).json()["status"] == "succeeded"


@pytest.mark.parametrize("query", ["wait=61s", "wait=soon", "wait=-1", "wait=1&wait=2", "await=1"])
async def test_a_wait_that_makes_no_sense_is_refused(refuser: Service, query: str) -> None:
    answer = await refuser.client.get(f"/tasks/{STRANGER}?{query}")
    assert_problem(answer, 422, "validation_failed", query.partition("=")[0])


# --- cancel ---


async def test_a_task_that_waits_is_cancelled_at_once(service: Service) -> None:
    task_id = await create(service)
    body = {"reason": "ordered twice"}
    for _ in range(2):
        answer = await service.client.post(f"/tasks/{task_id}/cancel", json=body)
        assert answer.status_code == 200, answer.text
        task = answer.json()
        assert (task["status"], task["worker_id"]) == ("cancelled", None)
        assert task["error"] == "cancelled before it started: ordered twice"
        assert task["cancel"]["level"] == "before_start"
        assert task["cancel"]["reason"] == "ordered twice"


async def test_a_task_that_runs_is_asked_to_end(
    service: Service, db: Connection, fake: Fake
) -> None:
    task_id = await create(service)
    await run(db, fake, task_id)
    asked = [(await service.client.post(f"/tasks/{task_id}/cancel")).json() for _ in range(2)]
    assert asked[0] == asked[1]
    assert (asked[0]["status"], asked[0]["cancel"]["level"]) == ("running", None)


async def test_what_has_ended_cannot_be_cancelled(
    service: Service, db: Connection, fake: Fake
) -> None:
    task_id = await create(service)
    await end(db, fake, task_id)
    answer = await service.client.post(f"/tasks/{task_id}/cancel")
    assert_problem(answer, 409, "wrong_status")
    assert "succeeded" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "place"),
    [({"why": "x"}, "/why"), ({"reason": 7}, "/reason"), ({"reason": "x" * 501}, "/reason")],
)
async def test_a_wrong_reason_is_named(refuser: Service, body: Any, place: str) -> None:
    answer = await refuser.client.post(f"/tasks/{STRANGER}/cancel", json=body)
    assert_problem(answer, 422, "validation_failed", place)


@pytest.mark.parametrize("act", ["cancel", "retry"])
async def test_a_stranger_is_not_found(service: Service, act: str) -> None:
    for id in (STRANGER, "x"):
        assert_problem(await service.client.post(f"/tasks/{id}/{act}"), 404, "not_found")
    assert_problem(await service.client.get(f"/tasks/{STRANGER}/attempts"), 404, "not_found")
    assert_problem(await service.client.get(f"/tasks/{STRANGER}/{act}"), 405, "method_not_allowed")


# --- retry ---


async def test_an_ended_task_is_created_anew(service: Service, db: Connection, fake: Fake) -> None:
    task_id = await create(service, max_attempts=3, queue="mail")
    await end(db, fake, task_id, Status.FAILED, error="ouch")
    answer = await service.client.post(f"/tasks/{task_id}/retry")
    assert answer.status_code == 201
    new = answer.json()
    assert answer.headers["location"] == f"/tasks/{new['id']}"
    assert (new["status"], new["queue"], new["max_attempts"], new["attempt"], new["error"]) == (
        "pending", "mail", 3, 0, None,
    )  # fmt: skip
    assert (await view(service, task_id))["status"] == "failed"


async def test_what_has_not_ended_is_not_created_anew(service: Service) -> None:
    task_id = await create(service)
    answer = await service.client.post(f"/tasks/{task_id}/retry")
    assert_problem(answer, 409, "wrong_status")
    assert len((await service.client.get("/tasks")).json()) == 1


# --- attempts ---


async def test_attempts_are_listed_with_what_they_left(
    service: Service, db: Connection, fake: Fake
) -> None:
    task_id = await create(service)
    path = f"/tasks/{task_id}/attempts"
    assert (await service.client.get(path)).json() == []
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch", "a line", "a log")
    await end(db, fake, task_id, Status.FAILED, error="ouch", evidence=evidence)
    [found] = (await service.client.get(path)).json()
    assert found["worker_id"] == str(fake.papers.id)
    kept = ("attempt", "outcome", "error_type", "error", "trace", "logs", "late_report")
    assert [found[name] for name in kept] == [
        1, "failed", "ValueError", "ouch", "a line", "a log", None,
    ]  # fmt: skip


# --- bulk ---


async def bulk(service: Service, **body: Any) -> httpx2.Response:
    return await service.client.post("/tasks/bulk", json=body)


async def test_a_dry_run_counts_and_does_nothing(
    service: Service, db: Connection, fake: Fake
) -> None:
    ids = [await create(service, queue="mail") for _ in range(3)]
    await run(db, fake, ids[0])
    await create(service)
    asked = {"filter": {"queue": "mail"}, "action": "cancel", "dry_run": True}
    answer = await bulk(service, **asked)
    assert answer.json() == {
        "action": "cancel",
        "dry_run": True,
        "tasks": 3,
        "by_status": {"pending": 2, "running": 1},
        "cursor": None,
    }
    assert [(await view(service, id))["cancel"] for id in ids] == [None] * 3


async def test_what_matches_is_cancelled_together(
    service: Service, db: Connection, fake: Fake
) -> None:
    ids = [await create(service, queue="mail") for _ in range(3)]
    await run(db, fake, ids[0])
    other = await create(service)
    asked = {"filter": {"queue": "mail"}, "action": "cancel", "reason": "campaign over"}
    answer = (await bulk(service, **asked)).json()
    assert (answer["tasks"], answer["by_status"]) == (3, {"pending": 2, "running": 1})
    shown = [await view(service, id) for id in ids]
    assert [task["status"] for task in shown] == ["running", "cancelled", "cancelled"]
    assert {task["cancel"]["reason"] for task in shown} == {"campaign over"}
    assert (await view(service, other))["status"] == "pending"


async def test_what_matches_is_deleted_together_save_what_runs(
    service: Service, db: Connection, fake: Fake
) -> None:
    ids = [await create(service) for _ in range(3)]
    await run(db, fake, ids[0])
    answer = (await bulk(service, filter={"ty": "baz"}, action="delete")).json()
    assert answer["by_status"] == {"pending": 2}
    left = (await service.client.get("/tasks")).json()
    assert [task["id"] for task in left] == [str(ids[0])]


async def test_what_failed_is_retried_together_and_once(
    service: Service, db: Connection, fake: Fake
) -> None:
    ids = [await create(service) for _ in range(3)]
    for id, status in zip(ids, (Status.FAILED, Status.FAILED, Status.SUCCEEDED), strict=True):
        await end(db, fake, id, status)
    answer = (await bulk(service, filter={"older_than": 0}, action="retry")).json()
    assert answer["by_status"] == {"failed": 2}
    statuses = [task["status"] for task in (await service.client.get("/tasks")).json()]
    assert sorted(statuses) == ["failed", "failed", "pending", "pending", "succeeded"]


async def test_a_long_sweep_tells_where_to_go_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.http.acts.SECONDS_MAX", 0)
    monkeypatch.setattr("fcs.database.sweep.PAGE", 2)
    ids = [await create(service) for _ in range(5)]
    asked: dict[str, Any] = {"filter": {"status": "pending"}, "action": "cancel", "cursor": None}
    counts: list[int] = []
    while not counts or asked["cursor"]:
        answer = (await bulk(service, **asked)).json()
        asked["cursor"] = answer["cursor"]
        counts.append(answer["tasks"])
    assert counts == [2, 2, 1, 0]
    assert {(await view(service, id))["status"] for id in ids} == {"cancelled"}


async def test_a_sweep_cut_short_leaves_nothing_half_done(
    service: Service, db: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is done, what is not is untouched, and the cursor tells where to go on."""
    monkeypatch.setattr("fcs.database.sweep.AT_A_TIME", 2)
    for _ in range(5):
        await create(service)
    await db.execute("update fcs.tasks set status = 'failed', due_at = null")
    calls = 0

    async def cut_off(*args: Any) -> dict[TaskId, Status]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConnectionError
        return await repeat(*args)

    repeat = database_bulk.repeat
    monkeypatch.setattr("fcs.database.bulk.repeat", cut_off)
    sweep = Sweep(Filter(ty="baz"), Action.RETRY, new_id=new_id)
    async with connected(database_url) as other:
        with pytest.raises(ConnectionError):
            await sweep.step(other)
        assert sweep.counts == {Status.FAILED: 2}
        assert await pending(db) == 2
        rest = Sweep(Filter(ty="baz"), Action.RETRY, new_id=new_id, before=sweep.before)
        while not rest.is_over:
            await rest.step(other)
    assert rest.counts == {Status.FAILED: 3}
    assert await pending(db) == 5


async def test_a_step_sent_twice_creates_nothing_twice(
    service: Service,
    db: Connection,
    fake: Fake,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer to a repeat is lost, and nobody knows whether it was carried out."""
    for _ in range(3):
        await end(db, fake, await create(service), Status.FAILED)
    answers = 0

    async def unheard(*args: Any) -> dict[TaskId, Status]:
        nonlocal answers
        answer = await repeat(*args)
        answers += 1
        if answers == 1:
            raise ConnectionError
        return answer

    repeat = database_bulk.repeat
    monkeypatch.setattr("fcs.database.bulk.repeat", unheard)
    sweep = Sweep(Filter(ty="baz"), Action.RETRY, new_id=new_id)
    async with connected(database_url) as other:
        with pytest.raises(ConnectionError):
            await sweep.step(other)
        while not sweep.is_over:
            await sweep.step(other)
    assert sweep.counts == {Status.FAILED: 3}
    assert await pending(db) == 3


@pytest.mark.parametrize("act", ["one", "all"])
async def test_that_tasks_may_have_been_created_is_told(
    service: Service, proxy: Proxy, db: Connection, act: str
) -> None:
    """The answer to a repeat is lost, and the database stays away: asked again, there are two."""
    task_id = await create(service)
    await db.execute("update fcs.tasks set status = 'failed', due_at = null")
    lost = proxy.trouble_with(Kind.LOSE_ANSWER, "Create tasks anew that have ended")

    async def ask() -> httpx2.Response:
        if act == "one":
            return await service.client.post(f"/tasks/{task_id}/retry")
        return await bulk(service, filter={"ty": "baz"}, action="retry")

    asked = asyncio.create_task(ask())
    await proxy.leave_after(lost, asked)
    answer = await asked
    assert await pending(db) == 1
    assert_problem(answer, 503, "database_unavailable")
    assert "not known whether" in answer.json()["detail"]
    assert "GET /tasks" in answer.json()["hint"]


async def pending(db: Connection) -> int:
    return await count(db, "select count(*) from fcs.tasks where status = 'pending'")


async def test_a_status_for_which_an_act_can_do_nothing_is_refused(service: Service) -> None:
    await create(service)
    answer = await bulk(service, filter={"status": "pending"}, action="retry")
    assert answer.status_code == 422
    [place] = answer.json()["errors"]
    assert place == {"pointer": "/filter/status", "detail": "pending tasks cannot be retried"}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"filter": {}, "action": "delete"}, "/filter"),
        ({"filter": {"state": "failed"}, "action": "delete"}, "/filter/state"),
        ({"filter": {"status": "done"}, "action": "delete"}, "/filter/status"),
        ({"filter": {"older_than": "long"}, "action": "delete"}, "/filter/older_than"),
        ({"filter": {"ty": "baz"}, "action": "eat"}, "/action"),
        ({"filter": {"ty": "baz"}}, "/action"),
        ({"action": "cancel"}, "/filter"),
        ({"filter": {"ty": "baz"}, "action": "cancel", "cursor": "x"}, "/cursor"),
        ({"filter": {"ty": "baz"}, "action": "cancel", "dryrun": True}, "/dryrun"),
    ],
)
async def test_what_is_wrong_with_a_bulk_act_is_named(
    refuser: Service, body: Any, place: str
) -> None:
    answer = await refuser.client.post("/tasks/bulk", json=body)
    assert_problem(answer, 422, "validation_failed", place)
    assert answer.json()["hint"]


# --- why ---


async def test_why_a_task_does_not_run_is_said(service: Service) -> None:
    task_id = await create(service, delay="1h")
    found = (await service.client.get(f"/tasks/{task_id}/why")).json()
    assert list(found) == ["code", "cause", "remedy", "details", "also"]
    assert found["code"] == "scheduled"
    assert "no_supervisor" in [other["code"] for other in found["also"]]
    assert_problem(await service.client.get(f"/tasks/{STRANGER}/why"), 404, "not_found")
