"""The lease of who leads: one holder for each term, and whoever lost it hands out nothing more."""

import itertools
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from tests.database.interleave import Act, Stage, staged
from tests.database.scene import (
    NOON,
    SECOND,
    add_tasks,
    add_workers,
    freeze,
    listen,
    row,
    rows,
    status,
    task_id,
    to,
    worker_row,
)

from fcs.database import leadership, queues, tasks, workers
from fcs.database.connect import Connection
from fcs.database.leadership import CANDIDATES_CHANNEL, Candidate, Look
from fcs.database.workers import Tenure
from fcs.domain.ids import NodeId
from fcs.domain.leadership import LeaseSeen
from fcs.domain.topology import Mode, Part

LEASE = 5.0

NOBODYS_BACKEND = 2_000_000_000
"""No system numbers its processes as high as that."""


def candidate(n: int) -> Candidate:
    return Candidate(NodeId(UUID(int=n)), Part.SUPERVISOR, "here", n)


A, B = candidate(1), candidate(2)


def tenure(me: Candidate, term: int) -> Tenure:
    return Tenure(me.node, term, LEASE)


async def lease(db: Connection) -> dict[str, Any]:
    """The row, all columns."""
    [found] = await rows(db, "select * from fcs.leadership")
    return found


async def lead(db: Connection, me: Candidate = A, *, term: int = 1) -> None:
    assert await leadership.bid(db, me, term=term, lease=LEASE)


async def renew(db: Connection, me: Candidate, *, term: int) -> bool:
    return (await workers.survey(db, tenure(me, term))).is_renewed


async def lose_sight(db: Connection, backend: int | None) -> None:
    """Let the row name another server process by which it was last renewed."""
    await db.execute("update fcs.leadership set backend = %s", [backend])


# Looking


async def test_at_first_nobody_leads(db: Connection) -> None:
    seen = await leadership.look(db)

    assert seen.lease.term == 0
    assert seen.lease.is_vacant
    assert (seen.holder, seen.mode) == (None, Mode.ELECTED)


async def test_who_leads_is_told_and_for_how_long(db: Connection) -> None:
    await lead(db)
    await freeze(db, NOON + 2 * SECOND)

    seen = LeaseSeen(1, A.node, expires_in=3.0, is_holder_gone=False)
    assert await leadership.look(db) == Look(seen, A, Mode.ELECTED)


async def test_the_mode_is_told(db: Connection) -> None:
    for mode in Mode:
        await db.execute("update fcs.cluster set mode = %s::fcs.mode", [mode])
        assert (await leadership.look(db)).mode is mode
        assert (await workers.survey(db)).mode is mode


async def test_a_holder_is_gone_with_its_connection(db: Connection) -> None:
    await lead(db)
    assert not (await leadership.look(db)).lease.is_holder_gone

    await lose_sight(db, NOBODYS_BACKEND)
    assert (await leadership.look(db)).lease.is_holder_gone


async def test_of_a_holder_behind_a_pooler_nobody_says_that_it_is_gone(db: Connection) -> None:
    """Its sessions are given to others; the lease tells."""
    await lead(db)
    await lose_sight(db, None)

    assert not (await leadership.look(db)).lease.is_holder_gone
    assert not await leadership.bid(db, B, term=2, lease=LEASE)


# Bidding


async def test_a_bid_takes_the_next_term(db: Connection) -> None:
    assert await leadership.bid(db, A, term=1, lease=LEASE)

    seen = await lease(db)
    assert (seen["term"], seen["node"], seen["part"]) == (1, A.node, "supervisor")
    assert (seen["host"], seen["pid"]) == ("here", 1)
    assert (seen["since"], seen["expires_at"]) == (NOON, NOON + LEASE * SECOND)
    assert seen["backend"] == db.info.backend_pid


async def test_whoever_holds_a_term_may_bid_for_the_next(db: Connection) -> None:
    """Its connection broke, and behind a pooler nobody can see that."""
    await lead(db)
    await lose_sight(db, None)

    assert await leadership.bid(db, A, term=2, lease=LEASE)
    assert not await renew(db, A, term=1)


@pytest.mark.parametrize("term", [0, 1, 3, 99])
async def test_a_bid_for_any_other_term_is_not_accepted(db: Connection, term: int) -> None:
    """Who bids for a term that has passed has looked too long ago."""
    await lead(db)
    await freeze(db, NOON + 60 * SECOND)

    assert not await leadership.bid(db, B, term=term, lease=LEASE)
    assert (await lease(db))["node"] == A.node


@pytest.mark.parametrize(("left", "is_accepted"), [(0.000_001, False), (0, True), (-1, True)])
async def test_a_term_is_vacant_from_when_it_expires(
    db: Connection, left: float, is_accepted: bool
) -> None:
    await lead(db)
    await freeze(db, NOON + (LEASE - left) * SECOND)

    assert await leadership.bid(db, B, term=2, lease=LEASE) is is_accepted


async def test_a_term_whose_holder_is_gone_is_vacant(db: Connection) -> None:
    await lead(db)
    await lose_sight(db, NOBODYS_BACKEND)

    assert await leadership.bid(db, B, term=2, lease=LEASE)
    assert (await lease(db))["backend"] == db.info.backend_pid


async def test_no_term_is_held_twice(db: Connection) -> None:
    """Also not by the same one: what it knew of its first time would be as good as new."""
    await lead(db)

    assert not await leadership.bid(db, A, term=1, lease=LEASE)
    assert not await leadership.bid(db, B, term=2, lease=LEASE)


# Renewing


async def test_a_survey_renews_the_lease(db: Connection) -> None:
    await lead(db)
    await lose_sight(db, None)
    await freeze(db, NOON + 2 * SECOND)

    assert await renew(db, A, term=1)

    seen = await lease(db)
    assert (seen["term"], seen["node"], seen["since"]) == (1, A.node, NOON)
    assert seen["expires_at"] == NOON + (2 + LEASE) * SECOND
    assert seen["backend"] == db.info.backend_pid, "by which others see that it is there"


async def test_a_survey_of_a_worker_renews_nothing(db: Connection) -> None:
    await lead(db)
    before = await lease(db)
    await freeze(db, NOON + 2 * SECOND)

    assert not (await workers.survey(db)).is_renewed
    assert await lease(db) == before


@pytest.mark.parametrize(
    ("me", "term"), [(B, 1), (A, 0), (A, 2), (B, 2)], ids=["other", "past", "next", "neither"]
)
async def test_only_the_holder_renews_its_own_term(
    db: Connection, me: Candidate, term: int
) -> None:
    await lead(db)
    before = await lease(db)
    await freeze(db, NOON + 2 * SECOND)

    assert not await renew(db, me, term=term)
    assert await lease(db) == before


async def test_an_expired_term_is_renewed_if_nobody_else_has_taken_one(db: Connection) -> None:
    await lead(db)
    await freeze(db, NOON + 60 * SECOND)

    assert await renew(db, A, term=1)


async def test_a_survey_tells_all_workers_to_a_leader_as_well(db: Connection) -> None:
    assert (await workers.survey(db, tenure(A, 1))).workers == []
    await lead(db)
    await add_workers(db, 7, 8)

    assert len((await workers.survey(db, tenure(A, 1))).workers) == 2


# Resigning


async def test_who_resigns_leaves_a_vacancy_and_tells_those_who_stand_by(
    clean: Connection, unled: None
) -> None:
    ears = await listen(clean, [CANDIDATES_CHANNEL])
    await lead(clean)
    await leadership.resign(clean, A.node, term=1)

    seen = await leadership.look(clean)
    assert (seen.lease.term, seen.holder, seen.lease.is_vacant) == (1, None, True)
    assert await ears.payloads() == ["vacant"]
    assert await leadership.bid(clean, B, term=2, lease=LEASE)


@pytest.mark.parametrize(("me", "term"), [(B, 1), (A, 0), (A, 2)], ids=["other", "past", "next"])
async def test_nobody_resigns_for_another(
    clean: Connection, unled: None, me: Candidate, term: int
) -> None:
    ears = await listen(clean, [CANDIDATES_CHANNEL])
    await lead(clean)
    before = await lease(clean)
    await leadership.resign(clean, me.node, term=term)

    assert await lease(clean) == before
    assert await ears.payloads() == []


# Handing out


async def test_a_leader_hands_out(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await lead(db)

    assert await tasks.dispatch(db, to(7, 1), term=1) == {task_id(1)}


@pytest.mark.parametrize("term", [0, 1, 3])
async def test_who_does_not_lead_any_more_hands_out_nothing(db: Connection, term: int) -> None:
    """F-51: paused in the middle of a plan, and back when somebody else leads."""
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await lead(db, A, term=1)
    await leadership.resign(db, A.node, term=1)
    await lead(db, B, term=2)
    before = await row(db, 1)

    assert await tasks.dispatch(db, to(7, 1), term=term) == frozenset()

    assert await row(db, 1) == before
    assert (await worker_row(db, 7))["tasks_sent"] == 0
    assert await tasks.dispatch(db, to(7, 1), term=2) == {task_id(1)}


async def test_a_worker_in_hash_mode_hands_out_whoever_leads(db: Connection) -> None:
    """F-77: a cluster may be half in one mode and half in another; rows decide."""
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await lead(db)

    assert await tasks.dispatch(db, to(7, 1)) == {task_id(1)}


# Two at once


async def bid_as_a(db: Connection) -> Any:
    return await leadership.bid(db, A, term=2, lease=LEASE)


async def bid_as_b(db: Connection) -> Any:
    return await leadership.bid(db, B, term=2, lease=LEASE)


async def renew_as_a(db: Connection) -> Any:
    return await renew(db, A, term=1)


async def resign_as_a(db: Connection) -> Any:
    await leadership.resign(db, A.node, term=1)


async def dispatch_as_a(db: Connection) -> Any:
    return await tasks.dispatch(db, to(7, 1), term=1)


async def dispatch_as_next(db: Connection) -> Any:
    return await tasks.dispatch(db, to(7, 1), term=2)


async def dispatch_to_itself(db: Connection) -> Any:
    """As a worker in hash mode does."""
    return await tasks.dispatch(db, to(7, 1), is_quiet=True)


ACTS: list[Act] = [
    bid_as_a,
    bid_as_b,
    renew_as_a,
    resign_as_a,
    dispatch_as_a,
    dispatch_as_next,
    dispatch_to_itself,
]


async def held(db: Connection) -> None:
    await lead(db)


async def expired(db: Connection) -> None:
    await lead(db)
    await db.execute("update fcs.leadership set expires_at = fcs.now()")


async def resigned(db: Connection) -> None:
    await lead(db)
    await leadership.resign(db, A.node, term=1)


SCENES: list[Act] = [held, expired, resigned]


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        yield stage
        await clear(stage.observer)


@pytest.fixture
async def unled(clean: Connection) -> AsyncIterator[None]:
    await freeze(clean, NOON)
    yield
    await clear(clean)


async def clear(db: Connection) -> None:
    """As in a new database."""
    await db.execute("delete from fcs.tasks")
    await db.execute("delete from fcs.workers")
    await db.execute("delete from fcs.leadership")
    await db.execute("insert into fcs.leadership default values")


async def set_scene(stage: Stage, scene: Act) -> None:
    db = stage.observer
    async with db.transaction():
        await clear(db)
        await add_workers(db, 7)
        await add_tasks(db, 1)
        await scene(db)


async def seen(stage: Stage) -> Any:
    """What came of it; by which connection it came does not matter."""
    leader = await lease(stage.observer)
    del leader["backend"]
    return leader, await row(stage.observer, 1), await worker_row(stage.observer, 7)


async def in_turn(stage: Stage, scene: Act, *acts: Act) -> Any:
    await set_scene(stage, scene)
    answers = [await stage.alone(act) for act in acts]
    return answers, await seen(stage)


@pytest.mark.parametrize("scene", SCENES, ids=lambda act: act.__name__)
async def test_two_acts_end_as_if_one_had_come_after_the_other(stage: Stage, scene: Act) -> None:
    for first, second in itertools.product(ACTS, ACTS):
        await set_scene(stage, scene)
        outcome = await stage.play(first, second)
        end = [outcome.first, outcome.second], await seen(stage)

        allowed = [await in_turn(stage, scene, first, second)]
        answers, after = await in_turn(stage, scene, second, first)
        allowed.append((answers[::-1], after))
        assert end in allowed, (first.__name__, second.__name__)


@pytest.mark.parametrize("scene", SCENES, ids=lambda act: act.__name__)
async def test_an_act_that_is_rolled_back_never_was(stage: Stage, scene: Act) -> None:
    for first, second in itertools.product(ACTS, ACTS):
        await set_scene(stage, scene)
        outcome = await stage.play(first, second, commit=False)
        end = [outcome.second], await seen(stage)

        assert end == await in_turn(stage, scene, second), (first.__name__, second.__name__)


async def test_the_next_leader_waits_for_what_the_last_one_is_handing_out(stage: Stage) -> None:
    """LIMIT: it counts what is out only once it leads, so it counts that as well."""
    await set_scene(stage, expired)

    outcome = await stage.play(dispatch_as_a, bid_as_b)

    assert (outcome.first, outcome.second, outcome.waited) == ({task_id(1)}, True, True)
    assert [one.id for one in await queues.held_in(stage.observer, ["default"])] == [task_id(1)]


async def test_the_last_leader_waits_for_the_next_and_then_hands_out_nothing(
    stage: Stage,
) -> None:
    await set_scene(stage, expired)

    outcome = await stage.play(bid_as_b, dispatch_as_a)

    assert (outcome.first, outcome.second, outcome.waited) == (True, frozenset(), True)
    assert await status(stage.observer, 1) == "pending"


async def test_whoever_does_not_lead_is_not_held_up_by_an_election(stage: Stage) -> None:
    await set_scene(stage, expired)

    outcome = await stage.play(bid_as_b, dispatch_to_itself)

    assert (outcome.second, outcome.waited) == ({task_id(1)}, False)


async def test_of_many_who_bid_at_once_one_leads(stage: Stage) -> None:
    """F-54: nobody waits for nothing, and nobody comes between."""
    await set_scene(stage, expired)

    outcome = await stage.play(bid_as_a, bid_as_b)

    assert (outcome.first, outcome.second, outcome.waited) == (True, False, True)
    assert (await lease(stage.observer))["node"] == A.node


async def test_a_renewal_that_is_under_way_beats_a_bid(stage: Stage) -> None:
    """Its lease had run out, but it was quicker: nobody else leads."""
    await set_scene(stage, expired)

    outcome = await stage.play(renew_as_a, bid_as_b)

    assert (outcome.first, outcome.second, outcome.waited) == (True, False, True)


async def test_what_was_handed_out_does_not_keep_a_leader_from_renewing(stage: Stage) -> None:
    """On two connections, as when an answer was lost: it waits, and goes on leading."""
    await set_scene(stage, held)

    outcome = await stage.play(dispatch_as_a, renew_as_a)

    assert (outcome.first, outcome.second) == ({task_id(1)}, True)
