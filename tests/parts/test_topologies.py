"""Who hands out tasks: a leader and those who stand by, or each worker for itself."""

import gc
from collections import Counter, deque
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    CALM,
    DEAF,
    beating,
    count,
    end_sessions,
    hire_fake,
    reach,
    supervising,
    until,
    until_so,
    working,
)
from tests.parts.topology import QUICK, crew, leads, succeeded, switch

from fcs import App, Status
from fcs.client.handler import Handler
from fcs.database import leadership, queues
from fcs.database.connect import Connection
from fcs.domain.topology import Part

Noop = Handler[[], Coroutine[Any, Any, None], None]


@pytest.fixture
def noop(app: App) -> Noop:
    @app.task
    async def noop() -> None: ...

    return noop


# --- One leads ---


async def test_of_several_one_leads_and_the_next_takes_over_at_once(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """Nobody would be missed for five minutes here, but for the word of the one who goes."""
    async with working(database_url, app.registry, settings=DEAF):
        async with supervising(database_url, DEAF):
            first = await leads(db)
            async with AsyncExitStack() as others:
                for _ in range(3):
                    await others.enter_async_context(supervising(database_url, DEAF))
                await noop.enqueue()
                await succeeded(db, 1)
                assert (await leads(db)).lease.term == first.lease.term
        async with supervising(database_url, DEAF):
            await noop.enqueue()
            await succeeded(db, 2)
            assert (await leads(db)).lease.term > first.lease.term


@pytest.mark.direct  # behind a pooler nobody sees whose connection is gone: the lease tells
async def test_a_leader_whose_connection_is_gone_is_not_waited_for(
    database_url: str, db: Connection
) -> None:
    async with supervising(database_url, DEAF) as leader:
        first = await leads(db)
        # It will know nothing of it for long: what it hears next is the word of its own end.
        await until(lambda: end_sessions(db, "fcs supervisor"))
        async with supervising(database_url, DEAF):

            async def another() -> bool:
                return (await leads(db)).lease.term > first.lease.term

            await until(another)
        assert not leader.done()


LISTEN = 'listen "fcs_candidates"'


@pytest.mark.direct  # behind a pooler nobody hears anything
async def test_a_leader_does_not_hear_what_is_meant_for_candidates(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BOUND: it would keep all of it in memory, for nobody reads that until the term is over."""
    monkeypatch.setattr("fcs.database.home.CLAIM_INTERVAL", 0.05)
    async with proxied(database_url) as proxy, supervising(proxy.url, CALM):
        await leads(db)
        await until_claimed(db)
        await db.execute(
            "select pg_notify('fcs_candidates', n || repeat('x', 7000))"
            " from generate_series(1, 500) as n"
        )
        await until_claimed(db)
        await until_claimed(db)  # it has read the answer to the one before, and what came with it
        assert not notifications_kept()

        # Another has taken the term: from now on it listens again.
        assert proxy.statements.count(LISTEN) == 1
        await db.execute(
            "update fcs.leadership set term = term + 1, node = gen_random_uuid(),"
            " backend = pg_backend_pid(), expires_at = now() + interval '300 s'"
        )
        await until_so(lambda: proxy.statements.count(LISTEN) == 2)


def notifications_kept() -> int:
    """What connections of this process hold for somebody to read."""
    # Looked for by what holds them: of tuples of text the collector of garbage soon knows nothing.
    queues = [thing for thing in gc.get_objects() if isinstance(thing, deque)]
    return sum(isinstance(thing, psycopg.Notify) for queue in queues for thing in tuple(queue))


async def until_claimed(db: Connection) -> None:
    """Wait for another use of the session in which a leader else stands by: it looks again and
    again whom commits wait for."""
    since = await count(db, "select (1e6 * extract(epoch from clock_timestamp()))::bigint")
    query = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name = 'fcs candidate' and query like '%%claim_age%%'"
        " and 1e6 * extract(epoch from query_start) > %s"
    )
    await until(lambda: count(db, query, since))


async def test_a_leader_that_is_silent_for_a_lease_is_replaced_and_stops(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """As one that was paused: it finds another term in the row, and changes nothing."""
    async with (
        working(database_url, app.registry, settings=CALM),
        supervising(database_url, QUICK),
    ):
        first = await leads(db)
        await db.execute(
            "update fcs.leadership set term = term + 1, node = gen_random_uuid(),"
            " backend = pg_backend_pid(), expires_at = now() + interval '0.5 s'"
        )
        await noop.enqueue()
        await succeeded(db, 1)
        assert (await leads(db)).lease.term >= first.lease.term + 2


async def test_a_leader_that_gets_no_answer_is_replaced_and_then_stands_by(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """Its line broke without a word: nothing is refused, and nothing is ever answered."""
    async with (
        working(database_url, app.registry),
        proxied(database_url) as proxy,
        supervising(proxy.url, QUICK),
    ):
        first = await leads(db)
        trouble = proxy.trouble(Kind.HOLD, "survey")
        await trouble.reached.wait()
        async with supervising(database_url, QUICK):
            await until(lambda: leads_after(db, first))
            await noop.enqueue()
            await succeeded(db, 1)
        # Nobody is left but the one that was cut off.
        await noop.enqueue()
        await succeeded(db, 2)


async def test_a_statement_that_comes_too_late_hands_out_nothing(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """F-51, F-52: another leads by then, who goes by what it has counted and read itself."""
    fake = await hire_fake(db, ["noop"])
    async with (
        beating(fake),
        proxied(database_url) as proxy,
        supervising(proxy.url, QUICK),
    ):
        first = await leads(db)
        trouble = proxy.trouble(Kind.DELAY, "dispatch")
        await noop.enqueue()
        await trouble.reached.wait()
        await queues.pause(db, "default", by="me", why="")
        async with supervising(database_url, QUICK):
            await until(lambda: leads_after(db, first))
            trouble.let_go.set()
            await trouble.over.wait()
            assert await fake.held() == []
            await queues.resume(db, "default")
            await until(fake.held)


async def leads_after(db: Connection, first: leadership.Look) -> bool:
    seen = await leads(db)
    return seen.lease.term > first.lease.term


@pytest.mark.parametrize(
    "statements", [["look"], ["bid"], ["survey", "look"]], ids=["look", "bid", "any"]
)
async def test_a_candidate_that_gets_no_answer_asks_again(
    database_url: str, db: Connection, statements: list[str]
) -> None:
    """Whatever it was that it hangs on, it stands by again and leads when it is its turn."""
    first, *others = statements
    async with proxied(database_url) as proxy:
        trouble = proxy.trouble(Kind.HOLD, first)
        async with supervising(proxy.url, QUICK):
            await trouble.reached.wait()
            for statement in others:
                await proxy.trouble(Kind.HOLD, statement).reached.wait()
            # Its own first term, if it had won one without knowing, is over by then.
            await lead_for_a_moment(db)
            assert (await leads(db)).holder


async def lead_for_a_moment(db: Connection) -> None:
    seen = await leadership.look(db)
    await db.execute(
        "update fcs.leadership set term = term + 1, node = gen_random_uuid(), part = 'supervisor',"
        " backend = pg_backend_pid(), expires_at = now() + interval '0.1 s'"
    )

    async def over() -> bool:
        return (await leadership.look(db)).lease.term > seen.lease.term + 1

    await until(over)


async def test_in_dedicated_mode_a_worker_does_not_lead(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    await switch(db, "dedicated")
    async with (
        working(database_url, app.registry),
        supervising(database_url, part=Part.ELECTABLE_WORKER),
    ):
        async with supervising(database_url):
            await noop.enqueue()
            await succeeded(db, 1)
            seen = await leads(db)
            assert seen.holder is not None
            assert seen.holder.part is Part.SUPERVISOR
        await switch(db, "elected")
        await noop.enqueue()
        await succeeded(db, 2)
        await switch(db, "dedicated")
        await until(lambda: nobody_leads(db))


async def nobody_leads(db: Connection) -> bool:
    return (await leadership.look(db)).lease.holder is None


async def test_in_hash_mode_nobody_leads(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    async with (
        supervising(database_url, seed=1),
        supervising(database_url, seed=2, part=Part.ELECTABLE_WORKER),
    ):
        await leads(db)
        await switch(db, "hash")
        await until(lambda: nobody_leads(db))
        term = (await leadership.look(db)).lease.term
        async with crew(database_url, app, 1):
            await noop.enqueue_many([{}] * 20)
            await succeeded(db, 20)
        assert (await leadership.look(db)).lease.term == term
        await switch(db, "elected")
        await leads(db)


# --- Each for itself ---


async def test_in_hash_mode_tasks_are_shared_by_their_hash(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    await switch(db, "hash")
    async with crew(database_url, app, 3):
        await noop.enqueue_many([{}] * 300)
        await noop.enqueue()
        await succeeded(db, 301)
        rows = await (
            await db.execute("select worker_id, count(*) from fcs.tasks group by 1")
        ).fetchall()
        shares: Counter[UUID] = Counter(dict(rows))
    assert len(shares) == 3
    assert min(shares.values()) > 20


async def test_what_falls_to_a_worker_that_does_not_take_it_is_stolen(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """F-73: head-of-line blocking while others are idle."""
    await switch(db, "hash")
    deaf = await hire_fake(db, ["noop"], slots=4)
    async with crew(database_url, app, 1), beating(deaf):
        tasks = await noop.enqueue_many([{}] * 60)
        await reach(db, [task.id for task in tasks], Status.SUCCEEDED)


async def test_the_dead_are_reaped_by_those_who_are_left(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    await switch(db, "hash")
    dead = await hire_fake(db, ["noop"], slots=4)
    async with crew(database_url, app, 3, QUICK):

        async def is_lost() -> bool:
            query = "select count(*) from fcs.workers where incarnation = %s and state = 'lost'"
            return await count(db, query, dead.incarnation) == 1

        await until(is_lost)


async def test_the_mode_is_switched_while_tasks_run(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    async with crew(database_url, app, 2), supervising(database_url):
        for round_, mode in enumerate(["hash", "elected", "hash", "dedicated", "elected"], 1):
            await noop.enqueue_many([{}] * 40)
            await switch(db, mode)
            await noop.enqueue_many([{}] * 40)
            await succeeded(db, 80 * round_)
