"""A part aside: in a thread of its own, ended with its home, and never in anybody's way."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.parts.stage import until_so

from fcs.node.aside import aside, tell


async def test_it_runs_in_another_thread_and_its_end_is_waited_for() -> None:
    threads: list[int] = []

    async def part() -> None:
        threads.append(threading.get_ident())
        await asyncio.sleep(0)

    await aside(part, name="test")

    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_what_it_raises_is_raised_at_home() -> None:
    async def part() -> None:
        raise ValueError("as planned")

    with pytest.raises(ValueError, match="as planned"):
        await aside(part, name="test")


async def test_it_is_cancelled_with_whoever_waits_for_it_and_may_clean_up() -> None:
    began, cleaned_up = threading.Event(), threading.Event()

    async def part() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned_up.set()

    waiting = asyncio.create_task(aside(part, name="test"))
    await until_so(began.is_set)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert cleaned_up.is_set()


async def test_one_that_is_cancelled_before_it_began_ends_all_the_same() -> None:
    async def part() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(aside(part, name="hasty"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until_so(lambda: all(thread.name != "fcs-hasty" for thread in threading.enumerate()))


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """Set at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


async def test_one_that_does_not_end_holds_up_nobody(
    stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.node.aside.LAST_MOMENT", 0.05)
    began = threading.Event()

    async def part() -> None:
        began.set()
        stuck.wait()

    waiting = asyncio.create_task(aside(part, name="test"))
    await until_so(began.is_set)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not stuck.is_set()


async def test_a_body_that_blocks_its_loop_does_not_hold_it_up() -> None:
    """What it is there for."""
    rounds = 0

    async def part() -> None:
        nonlocal rounds
        while rounds < 5:
            await asyncio.sleep(0.001)
            rounds += 1

    waiting = asyncio.create_task(aside(part, name="test"))
    await asyncio.sleep(0)
    blocked = threading.Event()
    for _ in range(1_000):
        if rounds == 5:
            break
        blocked.wait(0.01)  # not awaited: this thread's loop stands still
    assert rounds == 5
    await waiting


async def test_others_can_tell_it_something_from_their_thread() -> None:
    heard: list[str] = []
    loop = asyncio.get_running_loop()

    await asyncio.to_thread(tell, loop, heard.append, "hello")
    await until_so(lambda: heard == ["hello"])


def test_who_has_ended_is_told_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()

    tell(loop, print, "is anybody there?")
