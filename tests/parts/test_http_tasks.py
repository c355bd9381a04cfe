"""Tasks over HTTP: what is created is there, what is wrong is named, and nothing spoils a list."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.domain.test_json import REFUSED, REFUSED_AT
from tests.parts.http_service import NOWHERE, Service, assert_problem, new_id, serving
from tests.parts.stage import connected, view

from fcs.database.connect import Connection
from fcs.database.migrate import migrate
from fcs.embedded import Postgres

PHOTO = "205109a7-bcd4-4106-a960-ab45b4c42df8"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with serving(database_url) as service:
        yield service


@pytest.fixture(scope="module")
async def refuser() -> AsyncIterator[Service]:
    """For what is refused before any database is asked: it has none, and would answer 503."""
    async with serving(NOWHERE) as service:
        yield service


async def test_a_created_task_is_there(service: Service) -> None:
    answer = await service.post({"def": {"ty": "baz"}})
    assert answer.status_code == 201
    task_id = answer.json()["id"]
    assert answer.json() == {"id": task_id}
    assert answer.headers["location"] == f"/tasks/{task_id}"
    assert answer.headers["cache-control"] == "no-store"

    task = (await service.client.get(answer.headers["location"])).json()
    created_at = task.pop("created_at")
    assert created_at.endswith("Z")
    assert task == {
        "id": task_id,
        "def": {"ty": "baz"},
        "status": "pending",
        "worker_id": None,
        "queue": "default",
        "priority": 0,
        "attempt": 0,
        "updated_at": created_at,
        "scheduled_at": None,
        "started_at": None,
        "error": None,
        "due_at": created_at,
        "max_attempts": 1,
        "timeout": None,
        "on_interrupt": "interrupt",
        "limit_key": "",
        "result": None,
        "progress": None,
        "cancel": None,
        "late_report": None,
        "key": None,
        "after": [],
    }


async def test_arguments_stand_beside_the_type(service: Service) -> None:
    task_id = await service.create({"def": {"photo": PHOTO, "ty": "resize", "width": 5}})
    task = (await service.client.get(f"/tasks/{task_id}")).json()
    assert task["def"] == {"ty": "resize", "photo": PHOTO, "width": 5}
    assert (task["queue"], task["priority"]) == ("photos", 7)


async def test_a_task_has_the_limit_key_of_its_argument_or_another(
    service: Service, db: Connection
) -> None:
    usual = await service.create({"def": {"ty": "greet", "customer": "ann"}})
    other = await service.create({"def": {"ty": "greet", "customer": "ann"}, "limit_key": "bob"})

    keys = [(await view(db, UUID(id))).limit_key for id in (usual, other)]
    assert keys == ["ann", "bob"]


async def test_a_task_may_choose_its_queue_priority_and_time(service: Service) -> None:
    task_id = await service.create(
        {
            "def": {"ty": "resize", "photo": PHOTO},
            "queue": "slow",
            "priority": -3,
            "scheduled_at": "2999-05-17T09:00:00.25+02:00",
        }
    )
    task = (await service.client.get(f"/tasks/{task_id}")).json()
    assert (task["queue"], task["priority"]) == ("slow", -3)
    assert task["scheduled_at"] == "2999-05-17T07:00:00.250000Z"


async def test_a_task_may_choose_its_attempts_and_times(service: Service) -> None:
    own = {"max_attempts": 5, "timeout": "1m30s", "on_interrupt": "retry", "delay": "1h"}
    task_id = await service.create({"def": {"ty": "baz"}} | own)
    task = (await service.client.get(f"/tasks/{task_id}")).json()
    assert (task["max_attempts"], task["timeout"], task["on_interrupt"]) == (5, 90, "retry")
    begin, due = (datetime.fromisoformat(task[name]) for name in ("created_at", "due_at"))
    assert (due - begin, task["scheduled_at"]) == (timedelta(hours=1), task["due_at"])

    usual = await service.create({"def": {"ty": "sturdy"}})
    task = (await service.client.get(f"/tasks/{usual}")).json()
    assert (task["max_attempts"], task["timeout"], task["on_interrupt"]) == (4, 2.5, "retry")


async def test_many_are_created_together(service: Service) -> None:
    body = [{"def": {"ty": "note", "anything": n}} for n in range(50)]
    for path in ("/tasks", "/tasks/batch"):
        answer = await service.client.post(path, json=body)
        assert answer.status_code == 201
        ids = [task["id"] for task in answer.json()]
        shown = [
            (await service.client.get(f"/tasks/{task_id}")).json() for task_id in (ids[0], ids[-1])
        ]
        assert [task["def"]["anything"] for task in shown] == [0, 49]
    assert (await service.post([])).json() == []


async def test_one_wrong_task_among_many_creates_none(service: Service) -> None:
    good, bad = {"def": {"ty": "baz"}}, {"def": {"ty": "resize", "photo": "x"}}
    assert_problem(await service.post([good, bad]), 422, "validation_failed", "/1/def/photo")

    answer = await service.post([bad, good, {"def": {"ty": "bax"}}])
    assert answer.status_code == 422
    places = [problem["pointer"] for problem in answer.json()["errors"]]
    assert places == ["/0/def/photo", "/2/def/ty"]
    assert (await service.client.get("/tasks")).json() == []


async def test_many_creates_at_once_are_all_there(service: Service) -> None:
    ids = await asyncio.gather(*(service.create({"def": {"ty": "baz"}}) for _ in range(40)))
    listed = (await service.client.get("/tasks")).json()
    assert {task["id"] for task in listed} == set(ids)


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_AT])
async def test_bombs_are_refused_wherever_they_hide(refuser: Service, name: str) -> None:
    bomb, _ = REFUSED.get(name) or REFUSED_AT[name]
    for body in (bomb, b'{"def":{"ty":"note","anything":%s}}' % bomb):
        answer = await refuser.post(body)
        expected = (413, "too_large") if len(body) > 64 * 1024 else (400, "invalid_json")
        assert_problem(answer, *expected)


async def test_a_bomb_is_named_by_its_place(refuser: Service) -> None:
    body = b'{"def":{"ty":"note","anything":{"a":[1,1e400]}}}'
    assert_problem(await refuser.post(body), 400, "invalid_json", "/def/anything/a/1")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "/def"),
        ({"def": None}, "/def"),
        ({"def": []}, "/def"),
        ({"def": {}}, "/def/ty"),
        ({"def": {"ty": 7}}, "/def/ty"),
        ({"def": {"ty": "baz", "width": 1}}, "/def/width"),
        ({"def": {"ty": "resize"}}, "/def/photo"),
        ({"def": {"ty": "resize", "photo": PHOTO, "width": "5"}}, "/def/width"),
        ({"def": {"ty": "resize", "photo": PHOTO, "width": 0}}, "/def/width"),
        ({"def": {"ty": "resize", "photo": PHOTO, "width": None}}, "/def/width"),
        ({"def": {"ty": "baz"}, "sheduled_at": None}, "/sheduled_at"),
        ({"def": {"ty": "baz"}, "queue": ""}, "/queue"),
        ({"def": {"ty": "baz"}, "queue": "a b"}, "/queue"),
        ({"def": {"ty": "baz"}, "queue": "mail\n"}, "/queue"),
        ({"def": {"ty": "baz"}, "queue": "x" * 101}, "/queue"),
        ({"def": {"ty": "baz"}, "queue": 7}, "/queue"),
        ({"def": {"ty": "baz"}, "limit_key": "x" * 201}, "/limit_key"),
        ({"def": {"ty": "baz"}, "limit_key": "a\nb"}, "/limit_key"),
        ({"def": {"ty": "greet", "customer": "x" * 201}}, "/def/customer"),
        ({"def": {"ty": "baz"}, "priority": 101}, "/priority"),
        ({"def": {"ty": "baz"}, "priority": -101}, "/priority"),
        ({"def": {"ty": "baz"}, "priority": 10**30}, "/priority"),
        ({"def": {"ty": "baz"}, "priority": 1.5}, "/priority"),
        ({"def": {"ty": "baz"}, "priority": True}, "/priority"),
        ({"def": {"ty": "baz"}, "max_attempts": 0}, "/max_attempts"),
        ({"def": {"ty": "baz"}, "max_attempts": 10_001}, "/max_attempts"),
        ({"def": {"ty": "baz"}, "timeout": 0}, "/timeout"),
        ({"def": {"ty": "baz"}, "timeout": 1e-30}, "/timeout"),
        ({"def": {"ty": "baz"}, "timeout": "soon"}, "/timeout"),
        ({"def": {"ty": "baz"}, "timeout": True}, "/timeout"),
        ({"def": {"ty": "baz"}, "delay": -1}, "/delay"),
        ({"def": {"ty": "baz"}, "delay": "9" * 400}, "/delay"),
        ({"def": {"ty": "baz"}, "delay": 1, "scheduled_at": "2031-05-17T09:00:00Z"}, "/delay"),
        ({"def": {"ty": "baz"}, "on_interrupt": "ignore"}, "/on_interrupt"),
        ([7], "/0"),
    ],
)
async def test_wrong_fields_are_named(refuser: Service, body: Any, place: str) -> None:
    assert_problem(await refuser.post(body), 422, "validation_failed", place)


@pytest.mark.parametrize("body", [b"7", b'"x"', b"null"])
async def test_a_body_that_is_no_object_is_refused(refuser: Service, body: bytes) -> None:
    assert_problem(await refuser.post(body), 422, "validation_failed")


@pytest.mark.parametrize(
    "moment",
    [
        "2031-05-17T09:00:00",  # whose nine o'clock?
        "2031-05-17",
        "2031-05-17T09:00:00+25:00",
        "2031-05-17T09:00:60Z",
        "2031-02-30T09:00:00Z",
        "2031-05-17T24:00:00Z",
        "infinity",
        "-infinity",
        "now",
        "tomorrow",
        "",
        "0044-03-15T12:00:00Z BC",
        "294276-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "9000-01-01T00:00:00Z",
        "8999-12-31T23:59:59-00:01",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "0001-01-01T00:00:00+23:59",
        1_924_981_200,
        1e400,
        {"at": 1},
    ],
)
async def test_moments_that_are_none_are_refused(refuser: Service, moment: Any) -> None:
    body = json.dumps({"def": {"ty": "baz"}, "scheduled_at": moment}).encode()
    answer = await refuser.post(body)
    if moment == 1e400:
        assert_problem(answer, 400, "invalid_json")
    else:
        assert_problem(answer, 422, "validation_failed", "/scheduled_at")


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00Z", "8999-12-31T23:59:59.999999Z"])
async def test_moments_at_the_edges_are_kept(service: Service, moment: str) -> None:
    task_id = await service.create({"def": {"ty": "baz"}, "scheduled_at": moment})
    assert (await service.client.get(f"/tasks/{task_id}")).json()["scheduled_at"] == moment


async def test_an_unknown_type_gets_a_near_match(refuser: Service) -> None:
    answer = await refuser.post({"def": {"ty": "bazz"}})
    assert_problem(answer, 422, "unknown_type", "/def/ty")
    assert "Did you mean 'baz'?" in answer.json()["hint"]

    for ty in ("os.system", "__import__", "", "x" * 10_000):
        assert_problem(await refuser.post({"def": {"ty": ty}}), 422, "unknown_type", "/def/ty")


async def test_a_field_beside_def_gets_a_hint(refuser: Service) -> None:
    answer = await refuser.post({"def": {"ty": "resize"}, "photo": PHOTO})
    assert_problem(answer, 422, "validation_failed", "/photo")
    assert "inside `def`" in answer.json()["hint"]


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
async def test_only_json_is_accepted(refuser: Service, content_type: str) -> None:
    answer = await refuser.post(b'{"def":{"ty":"baz"}}', **{"Content-Type": content_type})
    assert_problem(answer, 415, "unsupported_media_type")


async def test_json_may_name_its_charset_but_not_be_compressed(service: Service) -> None:
    body = b'{"def":{"ty":"baz"}}'
    for content_type in ("application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
        assert (await service.post(body, **{"Content-Type": content_type})).status_code == 201
    answer = await service.post(body, **{"Content-Encoding": "gzip"})
    assert_problem(answer, 415, "unsupported_media_type")


async def test_a_body_beyond_the_limit_is_refused(service: Service) -> None:
    limit = 64 * 1024
    body = b'{"def":{"ty":"note","anything":"%s"}}'
    just = body % (b"x" * (limit - len(body) + 2))
    assert len(just) == limit
    assert (await service.post(just)).status_code == 201
    assert_problem(await service.post(just + b" "), 413, "too_large")
    # Nothing hangs or breaks on the same connection afterwards.
    assert (await service.post({"def": {"ty": "baz"}})).status_code == 201


@pytest.mark.parametrize("chunks", [64, 5_000])
async def test_a_body_without_a_length_is_cut_off_at_the_limit(
    refuser: Service, chunks: int
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"[]"
        for _ in range(chunks):
            yield b" " * 1024

    answer = await refuser.client.post(
        "/tasks", content=body(), headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413, "too_large")


async def test_lists_are_pages_newest_first(service: Service) -> None:
    ids = [await service.create({"def": {"ty": "note", "anything": n}}) for n in range(7)]
    seen, path = [], "/tasks?limit=3&ty=note"
    for size in (3, 3, 1):
        answer = await service.client.get(path)
        assert len(answer.json()) == size
        seen += [task["id"] for task in answer.json()]
        assert ("next" in answer.links) == (size == 3)
        path = answer.links["next"]["url"] if size == 3 else ""
    assert seen == sorted(ids, reverse=True)


async def test_a_page_that_is_just_full_has_no_next(service: Service) -> None:
    for _ in range(2):
        await service.create({"def": {"ty": "baz"}})
    assert "link" not in (await service.client.get("/tasks?limit=2")).headers


async def test_lists_can_be_filtered(service: Service) -> None:
    await service.create({"def": {"ty": "baz"}, "queue": "mail"})
    photo = await service.create({"def": {"ty": "resize", "photo": PHOTO}})
    for query in ("ty=resize", "queue=photos", "status=pending&ty=resize", "ty=resize&queue="):
        listed = (await service.client.get(f"/tasks?{query}")).json()
        assert [task["id"] for task in listed] == [photo]
    for query in (
        "ty=x",
        "queue=x",
        "ty=null",
        "queue=Null",
        "status=failed",
        "ty=x%27%20or%201--",
    ):
        assert (await service.client.get(f"/tasks?{query}")).json() == []
    listed = (await service.client.get("/tasks?status=pending")).json()
    assert len(listed) == 2
    assert "late_report" not in listed[0]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=1e3", "limit"),
        ("limit=null", "limit"),
        ("status=done", "status"),
        ("status=null", "status"),
        ("cursor=null", "cursor"),
        ("cursor=AZIpCFJ-fviT58n57GIEVR", "cursor"),
        ("cursor=AZIpCFJ-fviT58n57GIE!RQ", "cursor"),
        ("cursor=xyz", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%C3%BC", "cursor"),
        ("ty=a%00b", "ty"),
        ("queue=" + "x" * 300, "queue"),
        ("limit=1&limit=2", "limit"),
        ("offset=3", "offset"),
    ],
)
async def test_wrong_parameters_are_named(refuser: Service, query: str, parameter: str) -> None:
    answer = await refuser.client.get(f"/tasks?{query}")
    assert_problem(answer, 422, "validation_failed", parameter)


async def test_a_wrong_status_is_told_the_right_ones(refuser: Service) -> None:
    hint = (await refuser.client.get("/tasks?status=done")).json()["hint"]
    assert "pending, dispatched, running, succeeded" in hint


async def test_a_task_can_be_deleted_once(service: Service) -> None:
    task_id = await service.create({"def": {"ty": "baz"}})
    answer = await service.client.delete(f"/tasks/{task_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(await service.client.delete(f"/tasks/{task_id}"), 404, "not_found")
    assert_problem(await service.client.get(f"/tasks/{task_id}"), 404, "not_found")


async def test_a_running_task_is_not_deleted(service: Service, database_url: str) -> None:
    task_id = await service.create({"def": {"ty": "baz"}})
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as db:
        await db.execute("update fcs.tasks set status = 'running', due_at = null, incarnation = id")
    answer = await service.client.delete(f"/tasks/{task_id}")
    assert_problem(answer, 409, "wrong_status")
    assert task_id in answer.json()["detail"]
    assert answer.json()["hint"]
    assert (await service.client.get(f"/tasks/{task_id}")).json()["status"] == "running"


async def test_an_id_that_is_free_is_not_found(service: Service) -> None:
    assert_problem(await service.client.get(f"/tasks/{PHOTO}"), 404, "not_found")
    assert_problem(await service.client.delete(f"/tasks/{PHOTO}"), 404, "not_found")


@pytest.mark.parametrize(
    "name", ["x", "0", PHOTO[:-1], PHOTO.replace("-", ""), "%00", f"{{{PHOTO}}}"]
)
async def test_what_is_no_id_is_not_found(refuser: Service, name: str) -> None:
    assert_problem(await refuser.client.get(f"/tasks/{name}"), 404, "not_found")
    assert_problem(await refuser.client.delete(f"/tasks/{name}"), 404, "not_found")


async def test_offsets_that_postgres_does_not_know_are_understood(service: Service) -> None:
    body = {"def": {"ty": "baz"}, "scheduled_at": "2999-05-17T09:00:00-23:59"}
    task_id = await service.create(body)
    task = (await service.client.get(f"/tasks/{task_id}")).json()
    assert task["scheduled_at"] == "2999-05-18T08:59:00Z"


async def test_a_restart_of_the_database_costs_some_answers_only(
    own_postgres: Postgres, own_url: str
) -> None:
    await migrate(own_url)
    async with serving(own_url) as service:
        task_id = await service.create({"def": {"ty": "baz"}})
        own_postgres.crash()
        for answer in (
            await service.client.get("/tasks"),
            await service.post({"def": {"ty": "baz"}}),
        ):
            assert_problem(answer, 503, "database_unavailable")

        own_postgres.start()
        listed = (await service.client.get("/tasks")).json()
        assert task_id in [task["id"] for task in listed]
        await service.create({"def": {"ty": "baz"}})


async def test_a_question_that_takes_too_long_is_given_up(
    service: Service, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.http.store._ANSWER_MAX", 0.3)
    task_id = await service.create({"def": {"ty": "baz"}})
    async with await psycopg.AsyncConnection.connect(database_url) as db:
        await db.execute("lock fcs.tasks")
        answers = await asyncio.gather(*(service.client.get("/tasks") for _ in range(5)))
        for answer in answers:
            assert_problem(answer, 503, "database_unavailable")
    # The lines that waited are as good as new.
    for answer in await asyncio.gather(*(service.client.get("/tasks") for _ in range(5))):
        assert [task["id"] for task in answer.json()] == [task_id]


HOSTILE_ROWS = [
    "[" * 3_000 + "]" * 3_000,
    '{"a":' * 3_000 + "1" + "}" * 3_000,
    '{"n": %s}' % ("9" * 5_000),
    '{"ty": "other"}',
    "[1, 2]",
    "7",
    "null",
]


async def test_rows_written_by_hand_spoil_no_list(service: Service, database_url: str) -> None:
    readable = {"big": 10**308, "small": 1e-300, "text": "\u2028 </script>"}
    ids: list[UUID] = []
    async with connected(database_url) as db:
        for args in (*HOSTILE_ROWS, json.dumps(readable), "{}"):
            ids.append(new_id())
            await db.execute(
                "insert into fcs.tasks (id, ty, args) values (%s, %s, %s)",
                [ids[-1], 'a"b\n\\', args],
            )
    listed = {task["id"]: task for task in (await service.client.get("/tasks")).json()}
    for task_id in ids[:-2]:
        expected = {"ty": 'a"b\n\\', "args_unreadable": True}
        assert listed[str(task_id)]["def"] == expected
        assert (await service.client.get(f"/tasks/{task_id}")).json()["def"] == expected
    assert listed[str(ids[-2])]["def"] == {"ty": 'a"b\n\\'} | readable
    assert listed[str(ids[-1])]["def"] == {"ty": 'a"b\n\\'}
