"""What is around a body: middleware, resources, and the context of its run."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Annotated, Any
from uuid import UUID

import pytest
from tests.parts.stage import PATIENCE, reach, supervising, until_so, working

import fcs
from fcs import App, Context, GiveUp, Retry, Snooze, current
from fcs.body import Resources, perform
from fcs.body.context import NoRun
from fcs.body.perform import Answer
from fcs.client.handler import Handler
from fcs.database.connect import Connection
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Failed, Outcome, Snoozed, Succeeded
from fcs.domain.task import Status
from fcs.registry import InvalidTaskType
from fcs.registry.schema import components
from fcs.registry.surroundings import InvalidSurroundings

WORD: ContextVar[str] = ContextVar("WORD", default="nothing")


class Db:
    """Something that takes a while to open."""


class Mailer:
    """Something else."""


@pytest.fixture
def app() -> App:
    return App(database="postgresql://127.0.0.1:1/nothing")


@pytest.fixture
def story() -> list[str]:
    """What happened, in its order."""
    return []


async def ran(app: App, handler: Handler[..., Any, Any], *args: Any, **kwargs: Any) -> Outcome:
    """Perform a body as a worker does."""
    resources = Resources(app.registry)
    try:
        return await performed(resources, handler, *args, **kwargs)
    finally:
        await resources.close()


async def performed(
    resources: Resources, handler: Handler[..., Any, Any], *args: Any, **kwargs: Any
) -> Outcome:
    task_type = handler.task_type
    context = Context(id=TaskId(UUID(int=1)), run_id=RunId(UUID(int=2)), ty=task_type.name)
    bound = task_type.bind(task_type.pack(*args, **kwargs))
    return await perform(task_type, bound, context, in_thread, resources)


async def in_thread(function: Callable[[], Answer]) -> Answer:
    return await asyncio.to_thread(function)


def fail(error: Exception) -> None:
    raise error


def tell(app: App, story: list[str], name: str) -> None:
    """Declare a middleware that tells what happens."""

    async def middleware(context: Context) -> AsyncIterator[None]:
        story.append(f"{name} in")
        try:
            yield
        except BaseException as error:
            story.append(f"{name} {type(error).__name__}")
            raise
        story.append(f"{name} out")

    middleware.__name__ = name
    app.middleware(middleware)


def two_bodies(app: App, body: Callable[[], None]) -> list[Handler[..., Any, Any]]:
    """The same body on the event loop and in a thread."""

    async def on_loop() -> None:
        body()

    return [app.task(name="on_loop")(on_loop), app.task(name="in_thread")(body)]


async def test_the_first_middleware_is_the_outermost(app: App, story: list[str]) -> None:
    tell(app, story, "outer")
    tell(app, story, "inner")
    for handler in two_bodies(app, lambda: story.append("body")):
        story.clear()
        assert await ran(app, handler) == Succeeded()
        assert story == ["outer in", "inner in", "body", "inner out", "outer out"]


@pytest.mark.parametrize("error", [ValueError, StopIteration, SystemExit, KeyboardInterrupt])
async def test_middleware_sees_what_the_body_raises(
    app: App, story: list[str], error: type[BaseException]
) -> None:
    tell(app, story, "outer")
    tell(app, story, "inner")

    def body() -> None:
        raise error("ouch")

    for handler in two_bodies(app, body)[1:] if error is StopIteration else two_bodies(app, body):
        story.clear()
        outcome = await ran(app, handler)
        assert isinstance(outcome, Failed)
        assert outcome.error_type == error.__name__
        assert story[2:] == [f"inner {error.__name__}", f"outer {error.__name__}"]


async def test_what_middleware_sets_is_there_in_the_body(app: App) -> None:
    @app.middleware
    async def speak(context: Context) -> AsyncIterator[None]:
        token = WORD.set(f"{context.ty} {current().ty}")
        yield
        WORD.reset(token)

    seen: list[str] = []
    for handler in two_bodies(app, lambda: seen.append(WORD.get())):
        assert await ran(app, handler) == Succeeded()
    assert seen == ["on_loop on_loop", "in_thread in_thread"]
    assert WORD.get() == "nothing"


async def test_an_error_before_the_yield_keeps_the_body_from_starting(
    app: App, story: list[str]
) -> None:
    tell(app, story, "outer")

    @app.middleware
    async def broken(context: Context) -> AsyncIterator[None]:
        fail(ValueError("no key"))
        yield

    tell(app, story, "inner")
    for handler in two_bodies(app, lambda: story.append("body")):
        story.clear()
        outcome = await ran(app, handler)
        assert isinstance(outcome, Failed)
        assert outcome.error.startswith(
            "never reached the body, because of the middleware 'broken'"
        )
        assert "no key" in outcome.error
        assert outcome.may_retry
        assert story == ["outer in", "outer ValueError"]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (Snooze(5, "closed"), Snoozed(5, "closed")),
        (Retry("later", delay=3), ("Retry", "later", 3.0, True)),
        (GiveUp("no"), ("GiveUp", "no", None, False)),
    ],
)
async def test_middleware_may_ask_for_what_a_body_may_ask(
    app: App, ask: Exception, expected: Any
) -> None:
    @app.middleware
    async def asking(context: Context) -> AsyncIterator[None]:
        fail(ask)
        yield

    @app.task
    async def body() -> None: ...

    outcome = await ran(app, body)
    if isinstance(outcome, Failed):
        assert (outcome.error_type, outcome.error, outcome.delay, outcome.may_retry) == expected
    else:
        assert outcome == expected


async def test_an_error_after_the_yield_counts_as_the_bodys_own(app: App) -> None:
    @app.middleware
    async def closing(context: Context) -> AsyncIterator[None]:
        yield
        raise ValueError("cannot commit")

    for handler in two_bodies(app, lambda: None):
        outcome = await ran(app, handler)
        assert isinstance(outcome, Failed)
        assert outcome.error.endswith("cannot commit")
        assert "never reached" not in outcome.error


async def test_middleware_cannot_make_a_failed_body_succeed(app: App) -> None:
    @app.middleware
    async def swallowing(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except ValueError:
            pass

    @app.task
    async def body() -> None:
        raise ValueError("ouch")

    outcome = await ran(app, body)
    assert isinstance(outcome, Failed)
    assert outcome.error_type == "ValueError"


async def test_middleware_may_put_another_error_in_the_place_of_the_bodys(app: App) -> None:
    @app.middleware
    async def patient(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except ConnectionError as error:
            raise Snooze(60, "the shop is closed") from error

    @app.task
    async def body() -> None:
        raise ConnectionError("refused")

    assert await ran(app, body) == Snoozed(60, "the shop is closed")


async def test_the_context_is_given_and_is_no_argument(app: App) -> None:
    seen: list[Context] = []

    @app.task
    async def first(context: Context, to: str) -> None:
        seen.append(context)

    @app.task
    def last(to: str, *, context: Context) -> None:
        seen.append(context)

    for handler in (first, last):
        assert handler.task_type.pack("ann") == b'{"to":"ann"}'
        assert await ran(app, handler, "ann") == Succeeded()
        assert seen.pop().ty == handler.task_type.name
        with pytest.raises(Exception, match="context"):
            handler.task_type.check(b'{"to": "ann", "context": 1}')
    _, _, parts = components(app.registry)
    assert set(parts["first"]["properties"]) == {"ty", "to"}


async def test_a_call_from_within_a_run_passes_its_context_on(app: App) -> None:
    @app.task
    def inner(context: Context, number: int) -> str:
        return f"{context.ty} {number}"

    @app.task
    def inner_by_name(number: int, *, context: Context) -> str:
        return f"{context.ty} {number}"

    @app.task
    async def outer() -> list[str]:
        return [inner(1), inner(number=2), inner_by_name(3, context=current())]

    assert await ran(app, outer) == Succeeded('["outer 1","outer 2","outer 3"]')


async def test_a_resource_is_entered_once_and_left_at_the_end(app: App, story: list[str]) -> None:
    @app.resource
    async def db() -> AsyncIterator[Db]:
        story.append("opened")
        with pytest.raises(NoRun):  # it belongs to no run, whichever needs it first
            current()
        await asyncio.sleep(0)
        yield Db()
        story.append("closed")

    given: list[Db] = []

    @app.task
    async def on_loop(to: str, db: Db) -> None:
        given.append(db)

    @app.task
    def in_a_thread(db: Db, to: str = "ann") -> None:
        assert threading.current_thread() is not threading.main_thread()
        given.append(db)

    assert on_loop.task_type.pack("ann") == b'{"to":"ann"}'
    assert in_a_thread.task_type.defaults() == {"to": "ann"}
    resources = Resources(app.registry)
    assert story == []
    runs = [
        performed(resources, on_loop, "ann"),
        performed(resources, in_a_thread),
        performed(resources, on_loop, to="ben"),
    ]
    assert await asyncio.gather(*runs) == [Succeeded()] * 3
    assert len(set(given)) == 1
    assert story == ["opened"]
    await resources.close()
    assert story == ["opened", "closed"]


async def test_resources_are_left_youngest_first_each_in_the_task_that_entered_it(
    app: App, story: list[str]
) -> None:
    @app.resource
    async def db() -> AsyncIterator[Db]:
        async with asyncio.timeout(60):  # refuses to be left by another task
            yield Db()
        story.append("db")

    @app.resource
    async def mailer() -> AsyncIterator[Mailer]:
        yield Mailer()
        story.append("mailer")
        raise ValueError("cannot be left")

    @app.task
    async def body(db: Db, mailer: Mailer) -> None: ...

    assert await ran(app, body) == Succeeded()
    assert story == ["mailer", "db"]


async def test_a_resource_that_fails_is_tried_again_by_the_next_run(app: App) -> None:
    tries: list[int] = []

    @app.resource
    async def db() -> AsyncIterator[Db]:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("refused")
        yield Db()

    @app.task
    async def body(db: Db) -> None: ...

    resources = Resources(app.registry)
    outcome = await performed(resources, body)
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("never reached the body, because of what it is given (db)")
    assert "refused" in outcome.error
    assert outcome.may_retry
    assert await performed(resources, body) == Succeeded()
    await resources.close()


async def test_a_run_that_is_cancelled_takes_no_resource_from_the_others(app: App) -> None:
    gate = asyncio.Event()

    @app.resource
    async def db() -> AsyncIterator[Db]:
        await gate.wait()
        yield Db()

    @app.task
    async def body(db: Db) -> None: ...

    resources = Resources(app.registry)
    first, second = (asyncio.create_task(performed(resources, body)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await first, Failed)
    gate.set()
    assert await second == Succeeded()
    await resources.close()


async def test_a_resource_that_is_never_ready_is_let_go_at_the_end(app: App) -> None:
    @app.resource
    async def db() -> AsyncIterator[Db]:
        await asyncio.Event().wait()
        yield Db()

    @app.task
    async def body(db: Db) -> None: ...

    resources = Resources(app.registry)
    run = asyncio.create_task(performed(resources, body))
    await until_so(lambda: bool(resources._kept))
    async with asyncio.timeout(PATIENCE):
        await resources.close()
        assert isinstance(await run, Failed)


async def test_types_that_look_alike_are_told_apart_by_a_word(app: App) -> None:
    @app.resource
    async def reading() -> AsyncIterator[Annotated[str, "reading"]]:
        yield "r"

    @app.resource
    async def writing() -> AsyncIterator[Annotated[str, "writing"]]:
        yield "w"

    @app.task
    async def body(to: str, r: Annotated[str, "reading"], w: Annotated[str, "writing"]) -> str:
        return to + r + w

    assert await ran(app, body, "a") == Succeeded('"arw"')


def test_what_cannot_be_a_resource_or_a_middleware_is_said(app: App) -> None:
    async def no_generator() -> Db:
        return Db()

    async def unsaid():  # type: ignore[no-untyped-def]
        yield Db()

    async def common() -> AsyncIterator[str]:
        yield "dsn"

    async def greedy(to: str) -> AsyncIterator[Db]:
        yield Db()

    async def db() -> AsyncIterator[Db]:
        yield Db()

    async def misspelt() -> "AsyncIterator[threading.Lokc]":  # type: ignore[name-defined]
        yield threading.Lock()

    for wrong in (no_generator, unsaid, common, greedy, misspelt):
        with pytest.raises(InvalidSurroundings) as raised:
            app.resource(wrong)  # type: ignore[arg-type]
        assert raised.value.hint
    app.resource(db)
    with pytest.raises(InvalidSurroundings, match="same name or type"):
        app.resource(db)
    for wrong in (no_generator, db):
        with pytest.raises(InvalidSurroundings):
            app.middleware(wrong)  # type: ignore[arg-type]


def test_a_parameter_without_its_resource_says_what_to_declare(app: App) -> None:
    with pytest.raises(InvalidTaskType, match="Mailer") as raised:

        @app.task
        def body(mailer: Mailer) -> None: ...

    assert "@app.resource" in raised.value.hint


async def test_a_worker_enters_at_first_need_and_leaves_when_it_stops(
    database_url: str, db: Connection, story: list[str]
) -> None:
    app = App(database=database_url)
    tell(app, story, "around")

    @app.resource
    async def mailer() -> AsyncIterator[Mailer]:
        story.append("opened")
        yield Mailer()
        story.append("closed")

    @app.task
    def body(context: Context, *, mailer: Mailer = fcs.GIVEN) -> int:
        return context.attempt

    async with working(database_url, app.registry) as hired, supervising(database_url):
        assert story == []
        tasks = [await body.using(max_attempts=2).enqueue() for _ in range(2)]
        await reach(db, [task.id for task in tasks], Status.SUCCEEDED)
        assert story.count("opened") == 1
        await hired.leave()
        assert story.count("closed") == 1
        assert story.count("around in") == story.count("around out") == 2
    await app.close()
