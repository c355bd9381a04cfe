"""Schedules over HTTP: made, changed, paused, resumed, run, looked ahead, deleted."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.parts.http_service import NOWHERE, Service, assert_problem, new_id, serving
from tests.parts.stage import hire_fake

from fcs.database import schedules, timetable
from fcs.database.connect import Connection
from fcs.domain.schedule import Definition

WEEKDAYS = {
    "name": "photos",
    "cron": "0 9 * * mon-fri",
    "tz": "Europe/Warsaw",
    "task": {"def": {"ty": "resize", "photo": "205109a7-bcd4-4106-a960-ab45b4c42df8"}},
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


async def create(service: Service, **changes: Any) -> dict[str, Any]:
    answer = await service.client.post("/schedules", json=WEEKDAYS | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_schedule_is_there_once_it_was_made(service: Service) -> None:
    made = await create(service)
    assert made["words"] == "every weekday at 09:00 (Europe/Warsaw)"
    # The options of the type are those of its tasks.
    assert made["task"] == {**WEEKDAYS["task"], "queue": "photos", "priority": 7}  # type: ignore[dict-item]
    assert (made["source"], made["catch_up"], made["declared_by"]) == ("api", "skip", None)
    assert made["next_fire_at"].endswith("Z")
    assert made["last_fire_at"] is made["paused_at"] is None

    answer = await service.client.get("/schedules/photos")
    assert answer.json() == made
    assert (await service.client.get("/schedules")).json() == [made]


async def test_a_create_sent_twice_is_one_and_another_one_conflicts(service: Service) -> None:
    answer = await service.client.post("/schedules", json=WEEKDAYS)
    assert answer.headers["location"] == "/schedules/photos"
    assert (await service.client.post("/schedules", json=WEEKDAYS)).json() == answer.json()
    other = await service.client.post("/schedules", json=WEEKDAYS | {"cron": "@daily"})
    assert_problem(other, 409, "schedule_exists")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"cron": "0 25 * * *"}, "/cron"),
        ({"tz": "Europe/Warsow"}, "/tz"),
        ({"catch_up": "never"}, "/catch_up"),
        ({"name": "a/b"}, "/name"),
        ({"name": "preview"}, "/name"),
        ({"zone": "UTC"}, "/zone"),
        ({"task": []}, "/task"),
        ({"task": {"def": {"ty": "resize", "photo": 5}}}, "/task/def/photo"),
        ({"task": WEEKDAYS["task"] | {"prority": 5}}, "/task/prority"),  # type: ignore[operator]
        ({"task": WEEKDAYS["task"] | {"scheduled_at": "2031-01-01T00:00:00Z"}},  # type: ignore[operator]
         "/task/scheduled_at"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_by_its_place(
    refuser: Service, changes: dict[str, Any], place: str
) -> None:
    answer = await refuser.client.post("/schedules", json=WEEKDAYS | changes)
    assert_problem(answer, 422, "validation_failed", place)
    assert answer.json()["hint"]


async def test_an_unknown_type_is_refused(refuser: Service) -> None:
    unknown = WEEKDAYS | {"task": {"def": {"ty": "resise"}}}
    answer = await refuser.client.post("/schedules", json=unknown)
    assert_problem(answer, 422, "unknown_type", "/task/def/ty")


async def test_a_change_keeps_what_it_does_not_name(service: Service) -> None:
    made = await create(service)
    answer = await service.client.patch("/schedules/photos", json={"cron": "@daily"})
    changed = answer.json()
    assert changed["words"] == "every day at 00:00 (Europe/Warsaw)"
    assert changed["next_fire_at"] != made["next_fire_at"]
    assert (changed["task"], changed["tz"]) == (made["task"], made["tz"])

    task = {"def": {"ty": "baz"}, "priority": -1}
    answer = await service.client.patch("/schedules/photos", json={"task": task})
    assert answer.json().get("task") == task, answer.text
    wrong = await service.client.patch("/schedules/photos", json={"tz": "Mars"})
    assert_problem(wrong, 422, "validation_failed", "/tz")


async def test_a_pause_says_by_whom_and_why_until_it_ends(service: Service) -> None:
    await create(service)
    body = {"by": "ann", "why": "the disk is full"}
    paused = (await service.client.post("/schedules/photos/pause", json=body)).json()
    assert (paused["paused_by"], paused["paused_why"]) == ("ann", "the disk is full")
    assert paused["next_fire_at"] is None
    assert (await service.client.post("/schedules/photos/pause")).status_code == 200

    resumed = (await service.client.post("/schedules/photos/resume")).json()
    assert resumed["paused_at"] is None
    assert resumed["next_fire_at"]


async def test_a_run_creates_a_task_now(service: Service) -> None:
    await create(service)
    answer = await service.client.post("/schedules/photos/run")
    assert answer.status_code == 201
    task = (await service.client.get(answer.headers["location"])).json()
    assert task["id"] == answer.json()["id"]
    assert (task["def"], task["queue"]) == (WEEKDAYS["task"]["def"], "photos")  # type: ignore[index]
    assert task["scheduled_at"] is None


async def test_the_next_fires_are_shown_by_the_clocks_of_the_zone(service: Service) -> None:
    await create(service)
    shown = (await service.client.get("/schedules/photos/next?n=30")).json()
    assert shown["words"] == "every weekday at 09:00 (Europe/Warsaw)"
    assert len(shown["fires"]) == 30
    assert all("T09:00:00+0" in fire for fire in shown["fires"])

    answer = await service.client.post("/schedules/preview", json={"cron": "30 2 29 2 *"})
    assert len(answer.json()["fires"]) == 5
    for path in ("/schedules/photos/next?n=0", "/schedules/photos/next?m=1"):
        assert_problem(await service.client.get(path), 422, "validation_failed")
    wrong = await service.client.post("/schedules/preview", json={"cron": "x"})
    assert_problem(wrong, 422, "validation_failed", "/cron")


async def test_a_long_list_comes_in_pages(service: Service) -> None:
    for name in ("a", "b", "c"):
        await create(service, name=name)
    first = await service.client.get("/schedules?limit=2")
    assert [found["name"] for found in first.json()] == ["a", "b"]
    second = await service.client.get(first.links["next"]["url"])
    assert [found["name"] for found in second.json()] == ["c"]
    assert "link" not in second.headers


async def test_what_code_declares_is_not_changed_from_outside(
    service: Service, db: Connection
) -> None:
    worker = await hire_fake(db, ["baz"])
    hourly = Definition(cron="@hourly", ty="baz")
    await timetable.declare(db, worker.incarnation, {"report": hourly})

    change = await service.client.patch("/schedules/report", json={"cron": "@daily"})
    assert_problem(change, 409, "declared_in_code")
    assert_problem(await service.client.delete("/schedules/report"), 409, "declared_in_code")
    assert (await service.client.get("/schedules/report")).json()["declared_by"] == 1
    assert (await service.client.post("/schedules/report/pause")).status_code == 200


async def test_what_is_not_there_is_not_found(service: Service) -> None:
    await create(service)
    assert (await service.client.delete("/schedules/photos")).status_code == 204
    for method, path in [
        ("GET", ""), ("DELETE", ""), ("GET", "/next"), ("POST", "/pause"), ("POST", "/resume"),
        ("POST", "/run"),
    ]:  # fmt: skip
        assert_problem(
            await service.client.request(method, f"/schedules/photos{path}"), 404, "not_found"
        )


async def test_a_name_that_cannot_be_is_not_found(service: Service) -> None:
    for name in ("%00", "a%20b", "%F0%9F%90%98", "x" * 201):
        answer = await service.client.get(f"/schedules/{name}")
        assert_problem(answer, 404, "not_found")
        answer = await service.client.post(f"/schedules/{name}/pause")
        assert_problem(answer, 404, "not_found")


async def test_a_row_that_was_spoilt_by_hand_spoils_no_list(
    service: Service, db: Connection
) -> None:
    await create(service)
    await db.execute("update fcs.schedules set tz = 'Mars'")
    [shown] = (await service.client.get("/schedules")).json()
    assert shown["words"] == "0 9 * * mon-fri (Mars)"
    assert_problem(
        await service.client.get("/schedules/photos/next"), 422, "validation_failed", "/tz"
    )


async def test_every_path_is_described(refuser: Service) -> None:
    paths = (await refuser.client.get("/openapi.json")).json()["paths"]
    described = {path: set(paths[path]) - {"parameters"} for path in paths if "schedules" in path}
    assert described == {
        "/schedules": {"get", "post"},
        "/schedules/preview": {"post"},
        "/schedules/{name}": {"get", "patch", "delete"},
        "/schedules/{name}/pause": {"post"},
        "/schedules/{name}/resume": {"post"},
        "/schedules/{name}/run": {"post"},
        "/schedules/{name}/next": {"get"},
    }


async def test_ids_of_tasks_made_by_a_schedule_are_shown(service: Service, db: Connection) -> None:
    await create(service)
    view = (await schedules.list_schedules(db, limit=1))[0]
    fire = schedules.Fire(view.created_at, new_id())
    assert view.next_fire_at is not None
    await schedules.fire(
        db, [schedules.Firing("photos", view.next_fire_at, view.next_fire_at, [fire])]
    )
    shown = (await service.client.get("/schedules/photos")).json()
    assert shown["last_task_id"] == str(fire.task_id)
