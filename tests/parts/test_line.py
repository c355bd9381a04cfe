"""A line: what passes is tried again, what does not is said at once, and no doubt is left."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, nullcontext
from random import Random
from time import sleep

import psycopg
import pytest
from psycopg import errors
from tests.parts.lonely import Lonely
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import PATIENCE, count, until

from fcs.client.ids import new_task_id
from fcs.database import creation, tasks
from fcs.database.connect import Connection
from fcs.database.line import CONFIRM, Line, SyncConnection, SyncLine, is_passing
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.task import NewTask

PASSING = """
    08000 08003 08006 08P01 25006 25P03 40001 40P01 53000 53100 53200 53300 53400
    54000 55P03 57000 57014 57P01 57P02 57P03 57P05 58000 58030
"""

PERMANENT = """
    01000 22001 22003 22007 22P02 22P05 23502 23503 23505 23514 25P02 28P01 42501 42601 42703
    42P01 42883 0A000 54001 P0001 XX000
"""


def raised(state: str) -> psycopg.Error:
    class Raised(psycopg.Error):
        sqlstate = state

    return Raised("the words are nobody's business: servers speak many languages")


@pytest.mark.parametrize("state", PASSING.split())
def test_trouble_of_the_moment_passes(state: str) -> None:
    assert is_passing(raised(state))


@pytest.mark.parametrize("state", PERMANENT.split())
def test_trouble_with_the_act_itself_stays(state: str) -> None:
    assert not is_passing(raised(state))


def test_trouble_that_no_server_named_passes_when_it_is_the_connections() -> None:
    for passing in (
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.InterfaceError("the connection is closed"),
        DatabaseUnavailable("away"),
        ConnectionResetError(),
        TimeoutError(),
    ):
        assert is_passing(passing)
    for permanent in (psycopg.ProgrammingError("no such placeholder"), ValueError(), KeyError()):
        assert not is_passing(permanent)


class Act:
    """An act that fails as often as it is told to, with an SQLSTATE."""

    def __init__(self, state: str, *, fails: int = 1_000_000) -> None:
        self.state, self.fails, self.tries = state, fails, 0

    async def __call__(self, db: Connection) -> int:
        self.tries += 1
        if self.tries <= self.fails:
            await db.execute(
                f"do $$ begin raise exception 'as asked' using errcode = '{self.state}'; end $$"
            )
        return self.tries


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[Line]:
    line = Line(database_url, part="test", rng=Random(1))
    yield line
    await line.close()


async def test_an_act_is_tried_until_it_goes_through(line: Line) -> None:
    assert await line.carry_out(Act("40001", fails=3)) == 4


async def test_each_try_is_made_over_a_connection_of_its_own(line: Line) -> None:
    """Behind the same address there may be another server now that takes writes."""
    pids = []

    async def read_only(db: Connection) -> None:
        pids.append(db.info.backend_pid)
        await Act("25006", fails=2 - len(pids))(db)

    await line.carry_out(read_only)
    assert len(set(pids)) == 2


async def test_an_act_that_cannot_succeed_is_tried_once(line: Line) -> None:
    act = Act("23514")
    with pytest.raises(errors.CheckViolation):
        await line.carry_out(act)
    assert act.tries == 1
    # The line is fit for the next act.
    assert await line.carry_out(Act("", fails=0)) == 1


async def test_a_bug_of_ours_is_raised_at_once(line: Line) -> None:
    tries = 0

    async def buggy(db: Connection) -> None:
        nonlocal tries
        tries += 1
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await line.carry_out(buggy)
    assert tries == 1


@pytest.mark.parametrize("state", ["53100", "57P01"])
async def test_giving_up_says_that_the_database_is_unavailable_and_why(
    line: Line, state: str
) -> None:
    act = Act(state)
    with pytest.raises(DatabaseUnavailable, match="as asked") as given_up:
        await line.carry_out(act, give_up=lambda: act.tries == 3)
    assert act.tries == 3
    assert given_up.value.hint


async def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    line = Line("postgresql://ann:secret@127.0.0.1:1/shop", part="test", rng=Random(1))
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/shop") as given_up:
        await line.carry_out(Act("", fails=0), give_up=lambda: True)
    assert "secret" not in str(given_up.value)


async def test_acts_that_meet_share_the_line_through_trouble(database_url: str) -> None:
    async with proxied(database_url) as proxy:
        line = Line(proxy.url, part="test", rng=Random(1))

        async def ask(db: Connection) -> int:
            return await count(db, "select 7")

        trouble = proxy.trouble_with(Kind.LOSE_ANSWER, "select 7")
        answers = await asyncio.gather(*[line.carry_out(ask) for _ in range(20)])
        assert trouble.over.is_set()
        await line.close()
    assert answers == [7] * 20


async def test_a_cancelled_act_leaves_the_line_fit_for_the_next(line: Line, db: Connection) -> None:
    async def long(db: Connection) -> None:
        await db.execute("select pg_sleep(3600)")

    sleeping = """
        select count(*) from pg_stat_activity
         where datname = current_database() and wait_event = 'PgSleep'
    """
    act = asyncio.create_task(line.carry_out(long))
    await until(lambda: count(db, sleeping))
    act.cancel()
    with pytest.raises(asyncio.CancelledError):
        await act
    assert await line.carry_out(Act("", fails=0)) == 1


async def test_a_connection_that_nobody_waits_for_any_more_is_closed(database_url: str) -> None:
    async with proxied(database_url) as proxy:
        line = Line(proxy.url, part="test", rng=Random(1))
        setting_up = proxy.trouble_with(Kind.HOLD, "set_config")
        act = asyncio.create_task(line.carry_out(Act("", fails=0)))
        await setting_up.reached.wait()
        act.cancel()
        setting_up.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await act
        await line.close()
        del act, line
        gc.collect()  # what is found open now is a failure of this test


async def test_a_warning_is_settled_by_another_write_and_by_no_third(database_url: str) -> None:
    """Whatever warns each time, a trigger perhaps, must not keep an act going for ever."""
    tries = 0

    async def warned(db: Connection) -> None:
        nonlocal tries
        tries += 1
        await db.execute("do $$ begin raise warning 'as asked'; end $$")

    async with proxied(database_url) as proxy:
        line = Line(proxy.url, part="test", rng=Random(1))
        await line.carry_out(warned)
        await line.close()
    assert tries == 1
    assert proxy.statements.count(CONFIRM) == 1


async def test_nothing_is_confirmed_that_is_beyond_doubt(database_url: str) -> None:
    async with proxied(database_url) as proxy:
        line = Line(proxy.url, part="test", rng=Random(1))
        await line.carry_out(Act("", fails=0))
        await line.close()
    assert CONFIRM not in proxy.statements


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.xdist_group("lonely")
async def test_a_commit_that_no_standby_has_is_not_taken_for_done(lonely: Lonely, end: str) -> None:
    """The row is there, on this server alone; if that died now, the task would be gone."""
    new = NewTask(new_task_id(), "noop", b"{}")

    async def create(db: Connection) -> int:
        return await tasks.create(db, [new])

    line = Line(lonely.url, part="test", rng=Random(1))
    async with lonely.without_standby() as db:
        act = asyncio.create_task(line.carry_out(create))
        await lonely.end_wait(db, end)
        exists = "select count(*) from fcs.tasks where id = %s"
        await until(lambda: count(db, exists, new.id))
        # Timeline: the wait was ended; now the line waits anew, or has taken it for done.
        await lonely.until_waiting_or(db, act)
        assert not act.done()
    await act
    await line.close()


async def test_a_connection_that_never_answers_is_given_up(database_url: str) -> None:
    """LIVE: whatever hangs on the way acknowledges for ever, and tells nothing."""
    question = b"select 'anybody there?'"

    async def ask(db: Connection) -> object:
        return await (await db.execute(question)).fetchone()

    async with proxied(database_url) as proxy:
        line = Line(proxy.url, part="test", rng=Random(1), answer_within=0.2)
        silence = proxy.trouble_with(Kind.HOLD, "anybody there?")
        assert await line.carry_out(ask) == ("anybody there?",)
        assert silence.reached.is_set()
        await line.close()


async def test_what_is_written_part_by_part_may_take_longer_than_any_answer(
    database_url: str, db: Connection
) -> None:
    """Begun anew each time it has taken too long, a large request would never come to its end."""
    request = Slowly([[NewTask(new_task_id(), "noop", b"{}")] for _ in range(5)], each=0.3)
    line = Line(database_url, part="test", rng=Random(1), answer_within=1.0)
    await line.carry_out(lambda db: creation.add_parts(db, request), give_up=lambda: True)
    await line.close()
    assert await count(db, "select count(*) from fcs.tasks") == 5


class Slowly(list[list[NewTask]]):
    """Parts that take some seconds each to be made ready."""

    def __init__(self, parts: list[list[NewTask]], *, each: float) -> None:
        super().__init__(parts)
        self._each = each

    def __iter__(self) -> Iterator[list[NewTask]]:
        for part in super().__iter__():
            sleep(self._each)
            yield part


@pytest.mark.parametrize("within", ["nothing", "transaction", "pipeline"])
async def test_code_without_a_loop_gives_up_a_connection_that_never_answers(
    database_url: str, monkeypatch: pytest.MonkeyPatch, within: str
) -> None:
    """It is asked anew, and what was open on the connection is not waited for either."""
    monkeypatch.setattr("fcs.database.connect.ANSWER_WITHIN", 0.5)
    question = b"select 'anybody there?'"

    def ask(db: SyncConnection) -> object:
        surroundings: dict[str, AbstractContextManager[object]] = {
            "nothing": nullcontext(),
            "transaction": db.transaction(),
            "pipeline": db.pipeline(),
        }
        with surroundings[within]:
            return db.execute(question).fetchone()

    async with proxied(database_url) as proxy:
        line = SyncLine(part="test", rng=Random(1))
        proxy.trouble_with(Kind.HOLD, "anybody there?")
        asked = asyncio.to_thread(line.carry_out, proxy.url, ask, patience=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            assert await asked == ("anybody there?",)
        assert sum("anybody there?" in text for text in proxy.statements) == 2
        line.close()


async def test_what_the_server_is_slow_with_is_given_more_time_each_time(database_url: str) -> None:
    """LIVE: sent again as it was, it would never come to its end."""
    line = Line(database_url, part="test", rng=Random(1), answer_within=0.1)
    async with asyncio.timeout(PATIENCE):
        await line.carry_out(lambda db: db.execute("select pg_sleep(1)"))
    await line.close()


@pytest.mark.parametrize("sync", [False, True])
async def test_a_connection_on_which_nobody_answers_the_first_word_is_given_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    """It was let in, and that is all: whoever dials would wait for ever."""
    monkeypatch.setattr("fcs.database.connect.GREET_WITHIN", 0.2)
    async with proxied(database_url) as proxy, asyncio.timeout(PATIENCE):
        unanswered = proxy.trouble_with(Kind.HOLD, "set_config")
        if sync:
            await asyncio.to_thread(ask_in_a_thread, proxy.url)
        else:
            line = Line(proxy.url, part="test", rng=Random(1))
            await line.carry_out(lambda db: db.execute("select 1"))
            await line.close()
        assert unanswered.reached.is_set()


def ask_in_a_thread(url: str) -> None:
    line = SyncLine(part="test", rng=Random(1))
    line.carry_out(url, lambda db: db.execute("select 1"), patience=PATIENCE)
    line.close()
