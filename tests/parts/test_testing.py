"""The testing kit: what it shows is what a worker would do."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.conftest import Server

import fcs
from fcs import App, Context, Retry, Snooze, Status, TaskFailed, current
from fcs.client.packing import PART_MAX
from fcs.database.testing import copied_database
from fcs.domain.errors import InvalidArguments, InvalidInput, KeyReused
from fcs.domain.outcome import Failed, Snoozed, Succeeded
from fcs.testing import (
    StillDue,
    assert_enqueued,
    drain,
    drain_sync,
    freeze,
    inline,
    replace,
    run,
    run_sync,
)

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "testing.md"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOWHERE = "postgresql://127.0.0.1:1/nothing"


class Mailer:
    async def send(self, to: str) -> str:
        return f"sent to {to}"


class Shop:
    """An app with one of everything, and what happened in it."""

    def __init__(self, database: str) -> None:
        self.app = app = App(database=database)
        self.threads: list[threading.Thread] = []

        @app.resource
        async def mailer() -> AsyncIterator[Mailer]:
            yield Mailer()

        @app.task
        async def greet(to: str, *, mailer: Mailer = fcs.GIVEN) -> str:
            return await mailer.send(to)

        @app.task(max_attempts=3)
        def count(context: Context, of: int) -> int:
            self.threads.append(threading.current_thread())
            context.progress(1, of=of)
            if of < 0:
                raise ValueError("cannot count that")
            if of > 9:
                raise Retry("too many", delay="1h")
            if of == 9:
                raise Snooze("10m", "tired")
            return of

        @app.task
        def parent(children: int) -> str:
            for number in range(children):
                count.enqueue_sync(of=number)
            return str(current().id)

        self.greet, self.count, self.parent = greet, count, parent


@pytest.fixture
def offline() -> Shop:
    return Shop(NOWHERE)


@pytest.fixture
def shop(database_url: str) -> Shop:
    return Shop(database_url)


async def test_one_body_is_run_with_its_resources_and_its_context(offline: Shop) -> None:
    ran = await run(offline.greet, to="ann")
    assert ran.succeeded
    assert ran.result == "sent to ann"
    counted = await run(offline.count, 2)
    assert (counted.result, counted.args, counted.attempt) == (2, {"of": 2}, 1)
    assert counted.progress is not None
    assert (counted.progress.done, counted.progress.of) == (1, 2)


async def test_what_a_body_raises_is_its_outcome(offline: Shop) -> None:
    failed = await run(offline.count, -1)
    assert isinstance(failed.outcome, Failed)
    with pytest.raises(TaskFailed, match="cannot count that") as raised:
        _ = failed.result
    assert "test_testing.py" in "".join(raised.value.__notes__)
    snoozed = await run(offline.count, 9)
    assert snoozed.outcome == Snoozed(600, "tired")
    with pytest.raises(InvalidArguments):
        await run(offline.count, "two")  # type: ignore[arg-type]


def test_a_plain_body_runs_in_the_thread_of_the_test(offline: Shop) -> None:
    assert run_sync(offline.count, 2).result == 2
    with inline(offline.app):
        assert offline.count.enqueue_sync(3).result_sync() == 3
    assert set(offline.threads) == {threading.current_thread()}

    def loops() -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()

    assert run_sync(offline.app.task(loops)).succeeded


def interrupt() -> None:
    """What Ctrl-C does, whichever thread asks for it."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.fixture(params=["during a wait", "just before it"])
def ctrl_c_comes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Just before a wait it does not end that: Python hears of it when something else has."""
    signal.siginterrupt(signal.SIGINT, request.param == "during a wait")
    yield
    signal.siginterrupt(signal.SIGINT, True)


def test_ctrl_c_in_a_plain_body_ends_the_test(offline: Shop) -> None:
    left: list[BaseException] = []

    @offline.app.middleware
    async def around(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            left.append(error)
            raise

    @offline.app.task
    def ask() -> None:
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_sync(ask)
    with inline(offline.app) as runs, pytest.raises(KeyboardInterrupt):
        ask.enqueue_many_sync([{}, {}])
    assert len(left) == 2
    assert runs.ran == []


@pytest.mark.usefixtures("ctrl_c_comes")
def test_ctrl_c_around_a_body_ends_the_test(offline: Shop) -> None:
    left, went_on = [], []

    @offline.app.middleware
    async def around(context: Context) -> AsyncIterator[None]:
        interrupt()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.append(context.ty)
        # Though it does not do as it is told, nothing may hang.
        yield

    @offline.app.task
    def plain() -> None:
        went_on.append("plain")

    @offline.app.task
    async def on_the_loop() -> None: ...

    for body in (plain, on_the_loop):
        with pytest.raises(KeyboardInterrupt):
            run_sync(body)
        with inline(offline.app) as runs, pytest.raises(KeyboardInterrupt):
            body.enqueue_many_sync([{}, {}])
        assert runs.ran == []
    assert left == ["plain", "plain", "on_the_loop", "on_the_loop"]
    assert went_on == []


async def test_a_test_that_is_cancelled_ends_whatever_the_body_makes_of_it(offline: Shop) -> None:
    @offline.app.task
    async def wait() -> None:
        await asyncio.Event().wait()

    async def enqueue() -> None:
        with inline(offline.app):
            await wait.enqueue_many([{}, {}])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await run(wait)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await enqueue()


async def test_a_resource_is_replaced_for_a_while(offline: Shop) -> None:
    class Quiet(Mailer):
        async def send(self, to: str) -> str:
            return f"said nothing to {to}"

    with replace(offline.app, Mailer, Quiet()):
        assert (await run(offline.greet, "ann")).result == "said nothing to ann"
        with replace(offline.app, Mailer, Mailer()):  # the latest counts
            assert (await run(offline.greet, "ann")).result == "sent to ann"
        assert (await run(offline.greet, "ann")).result == "said nothing to ann"
    assert (await run(offline.greet, "ann")).result == "sent to ann"
    with pytest.raises(InvalidInput, match="no resource"), replace(offline.app, int, 1):
        pass


async def test_inline_runs_at_once_and_the_task_is_as_a_worker_leaves_it(offline: Shop) -> None:
    with inline(offline.app) as runs:
        task = await offline.greet.enqueue("ann")
        assert await task.result() == "sent to ann"
        assert (await task.view()).status is Status.SUCCEEDED
        failed = await offline.greet.using(key="k").enqueue_many([{"to": "b"}, {"to": "c"}])
        again = await offline.greet.using(key="k").enqueue_many([{"to": "b"}, {"to": "c"}])
        assert [task.id for task in failed] == [task.id for task in again]
    assert [ran.args["to"] for ran in runs.ran] == ["ann", "b", "c"]
    assert not isinstance(offline.app.store, type(runs))


async def test_inline_refuses_a_key_for_another_request_as_the_database_does(
    offline: Shop, shop: Shop
) -> None:
    async def refusal(of: Shop) -> KeyReused:
        first = await of.count.using(key="k").enqueue(1)
        assert (await of.count.using(key="k").enqueue(1)).id == first.id
        with pytest.raises(KeyReused, match=str(first.id)) as refused:
            await of.count.using(key="k").enqueue(2)
        with pytest.raises(KeyReused):
            of.count.using(key="k").enqueue_many_sync([{"of": 1}, {"of": 1}])
        error = refused.value
        return KeyReused(str(error).replace(str(first.id), "ID"), hint=error.hint)

    with inline(offline.app) as runs:
        in_line = await refusal(offline)
    assert [ran.args for ran in runs.ran] == [{"of": 1}]
    in_the_database = await refusal(shop)
    assert (str(in_line), in_line.hint) == (str(in_the_database), in_the_database.hint)
    await shop.app.close()


async def test_inline_runs_many_as_it_runs_few(offline: Shop) -> None:
    calls = [{"to": str(number)} for number in range(PART_MAX + 1)]
    with inline(offline.app) as runs:
        tasks = [*await offline.greet.enqueue_many(calls), *offline.greet.enqueue_many_sync(calls)]
        assert [task.id for task in tasks] == [view.id for view in reversed(runs.views)]
    assert [ran.args for ran in runs.ran] == calls * 2


async def test_inline_shows_failures_retries_and_snoozes(offline: Shop) -> None:
    with inline(offline.app) as runs:
        last = await offline.count.using(max_attempts=1).enqueue(-1)
        with pytest.raises(TaskFailed, match="cannot count that") as raised:
            await last.result()
        assert raised.value.error_type == "ValueError"
        for of, minutes in ((10, 60), (9, 10)):
            view = await (await offline.count.enqueue(of)).view()
            assert view.status is Status.PENDING
            assert view.due_at is not None
            assert timedelta(minutes=minutes - 1) < view.due_at - datetime.now(UTC)
        repeated = await last.retry()
        assert repeated.id != last.id
        assert len(await last.attempts()) == 1
    outcomes = [ran.outcome for ran in runs.ran]
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed, Snoozed, Failed]


async def test_inline_takes_what_was_to_go_into_a_transaction(
    offline: Shop, database_url: str
) -> None:
    with inline(offline.app) as runs:
        async with await psycopg.AsyncConnection.connect(database_url) as own:
            await offline.greet.using(connection=own).enqueue("ann")
        with psycopg.connect(database_url) as sync:
            offline.greet.using(connection=sync).enqueue_sync("ben")
    assert [ran.args["to"] for ran in runs.ran] == ["ann", "ben"]


def test_inline_follows_what_bodies_enqueue(offline: Shop) -> None:
    with inline(offline.app) as runs:
        task = offline.parent.enqueue_sync(2)
        assert task.result_sync() == str(task.id)
    assert [ran.ty for ran in runs.ran] == ["count", "count", "parent"]


def test_what_was_enqueued_is_asserted_in_line(offline: Shop) -> None:
    with inline(offline.app):
        offline.parent.enqueue_sync(3)
        check_enqueued(offline)


def test_what_was_enqueued_is_asserted_in_the_database(shop: Shop) -> None:
    for number in range(3):
        shop.count.using(queue="numbers").enqueue_sync(number)
    check_enqueued(shop)
    [task] = assert_enqueued(shop.count, where={"of": 2})
    assert (task.args, task.status, task.queue) == ({"of": 2}, Status.PENDING, "numbers")
    asyncio.run(shop.app.close())


def check_enqueued(shop: Shop) -> None:
    assert len(assert_enqueued(shop.count, count=3)) == 3
    [task] = assert_enqueued(shop.count, where={"of": 1}, count=1)
    assert task.args == {"of": 1}
    assert assert_enqueued(shop.greet, count=0) == []
    with pytest.raises(AssertionError, match=r"expected at least one of greet where .*, found 0"):
        assert_enqueued(shop.greet)
    with pytest.raises(AssertionError) as raised:
        assert_enqueued(shop.count, where={"of": 7})
    assert '{"of":2}' in str(raised.value)
    with pytest.raises(AssertionError, match="expected 2 of count"):
        assert_enqueued(shop.count, count=2)


def test_values_are_compared_as_the_task_holds_them(offline: Shop) -> None:
    id, moment = UUID(int=1), datetime(2030, 1, 1, tzinfo=UTC)

    @offline.app.task
    def keep(id: UUID, at: datetime, tags: list[str]) -> None: ...

    with inline(offline.app):
        keep.enqueue_sync(id, moment, ["a"])
        assert_enqueued(keep, where={"id": id, "at": moment, "tags": ["a"]})
        with pytest.raises(AssertionError):
            assert_enqueued(keep, where={"tags": ["b"]})


async def test_draining_runs_what_is_due_and_what_comes_of_it(shop: Shop) -> None:
    await shop.parent.enqueue(2)
    await shop.count.using(delay="1h").enqueue(5)
    failing = await shop.count.using(max_attempts=1).enqueue(-1)
    ran = await drain(shop.app)
    assert sorted(one.ty for one in ran) == ["count", "count", "count", "parent"]
    assert sorted(one.args["of"] for one in ran if one.ty == "count") == [-1, 0, 1]
    with pytest.raises(TaskFailed, match="cannot count"):
        await failing.result()
    assert await drain(shop.app) == []
    await shop.app.close()


async def test_draining_goes_on_to_what_waited_for_other_tasks(shop: Shop) -> None:
    needed = [await shop.count.enqueue(number) for number in range(3)]
    last = await shop.greet.using(after=needed).enqueue("ann")
    broken = await shop.count.using(max_attempts=1).enqueue(-1)
    never = await shop.greet.using(after=[broken]).enqueue("ben")
    ran = await drain(shop.app)
    assert {one.id for one in ran} == {last.id, broken.id, *(task.id for task in needed)}
    assert (await last.view()).status is Status.SUCCEEDED
    assert (await never.view()).status is Status.CANCELLED
    await shop.app.close()


def test_draining_works_without_an_event_loop_and_runs_isolated_types_here(shop: Shop) -> None:
    @shop.app.task(isolation="process")
    def pid() -> int:
        return os.getpid()

    task = pid.enqueue_sync()
    [ran] = drain_sync(shop.app)
    assert (ran.id, ran.result) == (task.id, os.getpid())
    asyncio.run(shop.app.close())


async def test_draining_gives_up_on_what_does_not_end(shop: Shop) -> None:
    forever = asyncio.Event()

    @shop.app.task
    async def stuck() -> None:
        await forever.wait()

    task = await stuck.enqueue()
    draining = asyncio.create_task(drain(shop.app, timeout=0.2))
    with pytest.raises(StillDue, match=str(task.id)) as raised:
        await draining
    assert "why" in raised.value.hint
    await shop.app.close()


async def test_a_frozen_clock_moves_what_is_scheduled(shop: Shop) -> None:
    with freeze(shop.app, NOON) as clock:
        late = await shop.count.using(delay="1h").enqueue(1)
        retried = await shop.count.enqueue(10)
        assert (await late.view()).created_at == NOON
        assert [ran.id for ran in await drain(shop.app)] == [retried.id]
        clock.travel("59m")
        assert await drain(shop.app) == []
        clock.travel(timedelta(minutes=1))
        assert clock.now == NOON + timedelta(hours=1)
        ran = await drain(shop.app)
        assert {(one.id, one.attempt) for one in ran} == {(late.id, 1), (retried.id, 2)}
        assert (await late.view()).updated_at == clock.now
    assert (await (await shop.count.enqueue(1)).view()).created_at < NOON
    await shop.app.close()


async def test_a_schedule_fires_when_the_clock_comes_to_its_time(shop: Shop) -> None:
    @shop.app.schedule("0 9 * * *", tz="UTC")
    @shop.app.task
    async def report() -> None: ...

    with freeze(shop.app, NOON) as clock:
        assert await drain(shop.app) == []
        clock.travel("20h59m")
        assert await drain(shop.app) == []
        clock.travel("1m")
        assert [ran.ty for ran in await drain(shop.app)] == ["report"]
        assert await drain(shop.app) == []
    await shop.app.close()


def test_the_clock_is_stopped_in_databases_of_tests_only(postgres: Server) -> None:
    app = App(database=postgres.url())
    with pytest.raises(InvalidInput, match="'postgres'"), freeze(app, NOON):
        pass


SUITE = """
import os

import pytest
from fcs import App, Status
from fcs.testing import assert_enqueued

app = App()

@app.task
async def double(n: int) -> int:
    return 2 * n

@pytest.mark.parametrize("n", [1, 2])
def test_with_a_database(fcs_database, n):
    assert os.environ["FCS_DATABASE"] == fcs_database
    double.enqueue_sync(n)
    assert_enqueued(double, where={"n": n}, count=1)

def test_with_a_worker(fcs_worker):
    ran = fcs_worker(app)
    assert double.enqueue_sync(4).result_sync(timeout=30) == 8
    assert [one.result for one in ran] == [8]

@pytest.mark.anyio
async def test_with_a_worker_and_an_event_loop(fcs_worker):
    fcs_worker(app)
    assert await (await double.enqueue(4)).result(timeout=30) == 8
    await app.close()

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def run_suite(folder: Path, url: str) -> "subprocess.CompletedProcess[str]":
    options = ["-p", "no:fcs", "-p", "fcs.testing.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=folder,
        env=os.environ | {"FCS_TEST_DATABASE": url},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_plugin_gives_each_test_a_database_and_a_worker(
    postgres: Server, tmp_path: Path
) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    # What the guide shows is a suite as well.
    shop, *_, suite = PYTHON.findall(GUIDE.read_text("utf-8"))[:4]
    (tmp_path / "shop.py").write_text(shop)
    (tmp_path / "test_shop.py").write_text(suite)
    answer = run_suite(tmp_path, postgres.url())
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "6 passed" in answer.stdout, answer.stdout
    with psycopg.connect(postgres.url()) as db:
        query = "select count(*) from pg_database where datname ~ 'fcs_test_.*_template'"
        assert db.execute(query).fetchone() == (0,)


@pytest.mark.slow
def test_what_a_session_of_the_same_pid_left_is_in_nobodys_way(
    postgres: Server, tmp_path: Path
) -> None:
    # In containers pytest has the same small pid each time.
    (tmp_path / "conftest.py").write_text("import os\nos.getpid = lambda: 7")
    (tmp_path / "test_suite.py").write_text("def test_it(fcs_database): ...")
    with (
        copied_database(postgres.url(), "fcs_test_7_template", "template1"),
        copied_database(postgres.url(), "fcs_test_7_1", "template1"),
    ):
        answer = run_suite(tmp_path, postgres.url())
    assert answer.returncode == 0, answer.stdout + answer.stderr


async def test_what_runs_in_line_sees_the_result_type(offline: Shop) -> None:
    with inline(offline.app) as runs:
        await offline.count.enqueue(1)
    [ran] = runs.ran
    assert ran.outcome == Succeeded("1")
    result: Any = ran.result
    assert result == 1
