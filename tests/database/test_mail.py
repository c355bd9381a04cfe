"""The inbox: hints are kept until somebody looks, within bounds; a lost one costs only time."""

import asyncio

import pytest

from fcs.database import mail
from fcs.database.connect import connect
from fcs.database.mail import Inbox, listen

LONG = 60.0


async def test_hints_are_taken_in_the_order_in_which_they_came() -> None:
    inbox = Inbox()
    for hint in ("one", "two"):
        inbox.put(hint)

    assert inbox.take() == ["one", "two"]
    assert inbox.take() == []


async def test_a_hint_ends_the_wait() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.wait(LONG))
    await asyncio.sleep(0)
    inbox.put("one")

    await waiting


async def test_a_hint_that_is_there_already_is_not_waited_for() -> None:
    inbox = Inbox()
    inbox.put("one")

    await inbox.wait(LONG)


async def test_a_wait_may_be_ended_without_a_hint() -> None:
    inbox = Inbox()
    inbox.wake()
    await inbox.wait(LONG)

    assert inbox.take() == []


async def test_what_was_taken_does_not_end_the_next_wait() -> None:
    inbox = Inbox()
    inbox.put("one")
    inbox.take()

    waiting = asyncio.create_task(inbox.wait(LONG))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    inbox.wake()
    await waiting


@pytest.mark.parametrize("seconds", [0.001, 0, -1])
async def test_a_wait_ends_by_itself(seconds: float) -> None:
    await Inbox().wait(seconds)


async def test_who_never_waits_lets_the_others_have_a_turn() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for _ in range(10):
        await Inbox().wait(0)
    counting.cancel()

    assert turns >= 9


@pytest.mark.parametrize("bound", ["MAIL_MAX", "MAIL_LENGTH_MAX"])
async def test_unread_hints_are_bounded_and_it_is_known_that_some_were_dropped(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """BOUND: a scan stands in for them."""
    monkeypatch.setattr(mail, bound, 3)
    inbox = Inbox()
    for n in range(5):
        inbox.put(str(n))

    assert inbox.overflowed
    assert inbox.take() == ["0", "1", "2"]


async def test_hints_come_in_while_somebody_waits(shared_url: str) -> None:
    inbox = Inbox()
    async with await connect(shared_url, part="test") as mailbox:
        await listen(mailbox, "some Channel")
        receiving = asyncio.create_task(inbox.receive(mailbox))
        async with await connect(shared_url, part="test") as sender:
            await sender.execute("select pg_notify('some Channel', 'hello')")
        await inbox.wait(LONG)
        receiving.cancel()

    assert inbox.take() == ["hello"]


async def test_who_is_cut_off_from_the_mail_is_told(shared_url: str) -> None:
    """F-82, F-89: or it would wait for hints that cannot come."""
    inbox = Inbox()
    async with (
        await connect(shared_url, part="test") as mailbox,
        await connect(shared_url, part="killer") as killer,
    ):
        await listen(mailbox, "somewhere")
        receiving = asyncio.create_task(inbox.receive(mailbox))
        await killer.execute("select pg_terminate_backend(%s, 5000)", [mailbox.info.backend_pid])

        with pytest.raises(Exception, match=r"terminat|closed|lost"):
            await receiving


async def test_no_hint_is_lost_while_a_listener_asks_whether_anybody_is_there(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "ASK_INTERVAL", 0.0)
    async with (
        await connect(shared_url, part="test") as db,
        await connect(shared_url, part="test") as bell,
    ):
        await listen(db, "fcs_test")
        inbox = Inbox()
        receiving = asyncio.create_task(inbox.receive(db))
        sent = [str(number) for number in range(500)]
        for hint in sent:
            await bell.execute("select pg_notify('fcs_test', %s)", [hint])

        heard: list[str] = []
        while "end" not in heard:  # it may be lost as well, so it is sent until it is heard
            await bell.execute("select pg_notify('fcs_test', 'end')")
            await inbox.wait(0.1)
            heard += inbox.take()
        receiving.cancel()
    assert heard[: len(sent)] == sent
