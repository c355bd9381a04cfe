"""Isolated bodies in a whole worker: what its children do reaches the rows as the truth."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.parts.poison import MEMORY_MAX, app
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    DEAF,
    count,
    give,
    is_there,
    reach,
    recipe_for,
    supervising,
    until_so,
    view,
    working,
)

from fcs import App, Status
from fcs.client.task import Task
from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.domain.task import StopLevel
from fcs.worker.children.child import ChildNotStarted
from fcs.worker.children.environment import clean

PLACE = "tests.parts.poison:app"
RECIPE = recipe_for(PLACE)


@pytest.fixture(autouse=True)
async def poison(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app of the poison, with this test's database."""
    monkeypatch.setenv("FCS_DATABASE", database_url)
    yield
    await app.close()


async def create(ty: str, **args: Any) -> Task[Any]:
    from tests.parts import poison

    return await getattr(poison, ty).enqueue(**args)  # type: ignore[no-any-return]


PACK: dict[str, tuple[Status, str | None, dict[str, Any]]] = {
    "exit_by_exception": (Status.FAILED, "SystemExit: 3", {}),
    "exit_at_once": (Status.FAILED, "the child exited with code 3", {}),
    "segfault": (Status.FAILED, "the child was killed by signal 11 (SIGSEGV)", {}),
    "shoot_itself": (Status.FAILED, "the child was killed by signal 9 (SIGKILL)", {}),
    "take_memory": (Status.FAILED, "MemoryError", {"size": 2 * MEMORY_MAX}),
    "return_what_is_no_json": (Status.FAILED, "the body returned, but its result", {}),
    "raise_the_mute": (Status.FAILED, "Mute (its message cannot be shown)", {}),
    "come_back_twice": (Status.SUCCEEDED, None, {}),
    "print_a_gigabyte": (Status.SUCCEEDED, None, {}),
    "double": (Status.SUCCEEDED, None, {"n": 21}),
    "double_later": (Status.SUCCEEDED, None, {"n": 21}),
}


async def test_the_whole_pack_of_poison_ends_in_the_truth_and_one_worker_survives_it(
    database_url: str, db: Connection
) -> None:
    created = [await create(ty, **args) for ty, (_, _, args) in PACK.items()]
    async with (
        supervising(database_url),
        working(database_url, app.registry, slots=2, recipe=RECIPE) as hired,
    ):
        for task, (status, error, _) in zip(created, PACK.values(), strict=True):
            [end] = await reach(db, [task.id], status)
            assert (end.error or "").startswith(error or "")
        assert hired.worker._slots.busy == 0
        last = await create("double", n=1)
        [end] = await reach(db, [last.id], Status.SUCCEEDED)
        assert end.result_text == "2"
        await hired.leave()


async def test_a_task_is_begun_when_its_child_is_ready_and_not_before(
    database_url: str, db: Connection, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    environment = clean(os.environ, []) | {"FCS_TEST_GATE": str(gate)}
    recipe = recipe_for(PLACE, environment=environment)
    async with working(database_url, app.registry, settings=DEAF, slots=3, recipe=recipe) as hired:
        gate.unlink()  # no more children
        first, second = await create("sleep_well"), await create("double", n=1)
        await give(db, hired.incarnation, [first.id])
        await reach(db, [first.id], Status.RUNNING)
        await give(db, hired.incarnation, [second.id])
        await until_so(lambda: second.id in hired.worker._intake._lacking)
        assert (await view(db, second.id)).status is Status.DISPATCHED

        gate.touch()
        await reach(db, [second.id], Status.SUCCEEDED)


async def test_a_child_that_was_kept_for_a_task_that_is_gone_takes_another(
    database_url: str, db: Connection
) -> None:
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, slots=1, recipe=RECIPE) as hired,
    ):
        begin = proxy.trouble(Kind.HOLD, "begin")
        gone, other = await create("double", n=1), await create("double", n=2)
        await give(db, hired.incarnation, [gone.id])
        await begin.reached.wait()
        await tasks.delete(db, [gone.id])
        begin.let_go.set()
        await give(db, hired.incarnation, [other.id])
        await reach(db, [other.id], Status.SUCCEEDED)
        assert hired.worker._pool is not None
        assert not hired.worker._pool._busy


async def test_a_begun_run_whose_child_dies_before_the_go_is_given_back(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONCE and LIVE: it is known that the body did not start, so it may start elsewhere."""
    async with working(database_url, app.registry, slots=1, recipe=RECIPE) as hired:
        start = hired.worker._executor.start

        def shoot_and_start(run: Any) -> None:
            monkeypatch.undo()
            os.kill(run.child.pid, 9)
            start(run)

        monkeypatch.setattr(hired.worker._intake, "_start", shoot_and_start)
        task = await create("double", n=1)
        await give(db, hired.incarnation, [task.id])

        [given_back] = await reach(db, [task.id], Status.PENDING)
        assert await count(db, "select attempt from fcs.tasks where id = %s", task.id) == 0
        await give(db, hired.incarnation, [given_back.id])
        await reach(db, [task.id], Status.SUCCEEDED)
        assert await count(db, "select attempt from fcs.tasks where id = %s", task.id) == 1


async def test_a_cancelled_body_that_does_not_listen_is_killed_after_the_grace(
    database_url: str, db: Connection
) -> None:
    task = await create("sleep")
    async with (
        supervising(database_url),
        working(database_url, app.registry, recipe=RECIPE),
    ):
        await reach(db, [task.id], Status.RUNNING)
        await tasks.cancel(db, [task.id], reason="no need")
        [end] = await reach(db, [task.id], Status.CANCELLED)
    assert end.cancel is not None
    assert end.cancel.level is StopLevel.KILL
    assert end.error == "cancelled; its process was killed"


async def test_a_worker_that_leaves_takes_its_children_along(
    database_url: str, db: Connection
) -> None:
    task = await create("sleep")
    async with working(database_url, app.registry, slots=1, recipe=RECIPE) as hired:
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.RUNNING)
        pids = [child.pid for child in hired.worker._pool._busy]  # type: ignore[union-attr]
        hired.stop.now.set()
        await hired.end()
        [end] = await reach(db, [task.id], Status.INTERRUPTED)
    assert end.error == "its worker was shut down before the body had ended"
    assert len(pids) == 1
    assert not is_there(pids[0])


async def test_what_a_body_says_is_kept_with_its_task(database_url: str, db: Connection) -> None:
    task = await create("exit_at_once")
    async with working(database_url, app.registry, slots=1, recipe=RECIPE) as hired:
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.FAILED)
    query = "select count(*) from fcs.attempts where task_id = %s and logs = 'last words'"
    assert await count(db, query, task.id) == 1


async def test_a_worker_without_isolated_types_has_no_children(
    database_url: str, db: Connection
) -> None:
    async with working(database_url, App().registry) as hired:
        assert hired.worker._pool is None


async def test_a_worker_whose_children_cannot_import_the_application_does_not_start(
    database_url: str, db: Connection
) -> None:
    with pytest.raises(ChildNotStarted, match="nowhere"):
        async with working(database_url, app.registry, recipe=recipe_for("nowhere:app")):
            await asyncio.sleep(0)
    assert await count(db, "select count(*) from fcs.workers") == 0


async def test_arguments_too_large_for_the_pipe_fail_the_task_and_free_the_slot(
    database_url: str, db: Connection
) -> None:
    # Small as they were written and as they are stored, large as Postgres writes them.
    args = '{"numbers": [' + ",".join(["1e300"] * 15_000) + "]}"
    async with (
        supervising(database_url),
        working(database_url, app.registry, slots=1, recipe=RECIPE) as hired,
    ):
        await db.execute(
            "insert into fcs.tasks (id, ty, args) values (gen_random_uuid(), 'add_up', %s)", [args]
        )
        cursor = await db.execute("select id from fcs.tasks")
        [(id,)] = await cursor.fetchall()
        [end] = await reach(db, [id], Status.FAILED)
        assert "too large for the pipe" in (end.error or "")
        last = await create("double", n=1)
        await reach(db, [last.id], Status.SUCCEEDED)
        await hired.leave()


async def test_a_task_that_is_gone_waits_for_no_child(
    database_url: str, db: Connection, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    environment = clean(os.environ, []) | {"FCS_TEST_GATE": str(gate)}
    recipe = recipe_for(PLACE, environment=environment)
    async with working(database_url, app.registry, slots=3, recipe=recipe) as hired:
        gate.unlink()  # no more children
        first, second = await create("sleep_well"), await create("double", n=1)
        await give(db, hired.incarnation, [first.id])
        await reach(db, [first.id], Status.RUNNING)
        await give(db, hired.incarnation, [second.id])
        lacking = hired.worker._intake._lacking
        await until_so(lambda: second.id in lacking)

        await tasks.delete(db, [second.id])

        await until_so(lambda: not lacking)
        gate.touch()
