"""How the cluster is led: shown, changed, told to everybody, and what only a leader can keep."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from tests.database.interleave import Act, Stage, staged
from tests.database.scene import NOON, SECOND, freeze, listen

from fcs.database import cluster, leadership, queues, topology
from fcs.database.cluster import Led
from fcs.database.connect import Connection, connect
from fcs.database.leadership import SESSIONS, Candidate
from fcs.domain.cluster import Candidates
from fcs.domain.errors import FcsError, LimitsNeedLeader
from fcs.domain.facts import Limit, QueueRules
from fcs.domain.ids import NodeId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part

ANN = Candidate(NodeId(UUID(int=0xA)), Part.SUPERVISOR, "ann", 42)

LIMITED = [QueueRules("mail", whole=Limit(3))]


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        yield stage


# What is shown.


async def test_a_new_cluster_elects_and_nobody_leads_it_yet(db: Connection) -> None:
    view = await cluster.show(db)

    assert (view.mode, view.strategy, view.term) == (Mode.ELECTED, Strategy.RANDOM, 0)
    assert view.leader is None
    assert not view.is_led


async def test_whoever_leads_is_shown_and_since_when(db: Connection) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=5)
    await freeze(db, NOON + 2 * SECOND)

    view = await cluster.show(db)
    assert view.leader is not None
    assert (view.leader.node, view.leader.part) == (ANN.node, ANN.part)
    assert (view.leader.host, view.leader.pid, view.leader.since) == ("ann", 42, NOON)
    assert (view.term, view.expires_in, view.is_led) == (1, 3.0, True)


async def test_a_leader_whose_lease_is_over_is_shown_and_leads_no_more(db: Connection) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=5)
    await freeze(db, NOON + 9 * SECOND)

    view = await cluster.show(db)
    assert view.leader is not None
    assert (view.expires_in, view.is_led) == (-4.0, False)


async def test_who_gave_up_the_term_is_not_shown(db: Connection) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=5)
    await leadership.resign(db, ANN.node, term=1)
    await freeze(db, NOON + 2 * SECOND)

    view = await cluster.show(db)
    assert (view.leader, view.term, view.expires_in) == (None, 1, -2.0)


async def test_candidates_are_counted_by_what_they_were_started_as(
    db: Connection, shared_url: str
) -> None:
    async with (
        await connect(shared_url, part=SESSIONS[Part.SUPERVISOR]),
        await connect(shared_url, part=SESSIONS[Part.ELECTABLE_WORKER]),
        await connect(shared_url, part=SESSIONS[Part.ELECTABLE_WORKER]),
        await connect(shared_url, part="supervisor"),
    ):
        view = await cluster.show(db)
    assert view.candidates == Candidates(supervisors=1, electable_workers=2)


async def test_candidates_of_another_database_do_not_count(
    db: Connection, blank_database_url: str
) -> None:
    async with await connect(blank_database_url, part=SESSIONS[Part.SUPERVISOR]):
        assert (await cluster.show(db)).candidates == Candidates()


@pytest.mark.parametrize("table", ["cluster", "leadership"])
async def test_a_row_that_was_lost_is_told_how_to_be_found(db: Connection, table: str) -> None:
    await db.execute(f"delete from fcs.{table}".encode())

    with pytest.raises(FcsError, match="has lost its row") as refusal:
        await cluster.show(db)
    assert "insert into" in refusal.value.hint


# What is changed.


async def test_a_change_says_what_was_and_what_is(db: Connection) -> None:
    changed = await topology.change(db, mode=Mode.HASH, strategy=Strategy.STICKY)

    assert changed.before == Led(Mode.ELECTED, Strategy.RANDOM)
    assert changed.after == Led(Mode.HASH, Strategy.STICKY)
    view = await cluster.show(db)
    assert (view.mode, view.strategy, view.changed_at) == (Mode.HASH, Strategy.STICKY, NOON)


async def test_what_is_not_named_stays(db: Connection) -> None:
    await topology.change(db, strategy=Strategy.LEAST_LOADED)
    changed = await topology.change(db, mode=Mode.DEDICATED)

    assert changed.after == Led(Mode.DEDICATED, Strategy.LEAST_LOADED)


async def test_another_strategy_leaves_since_when_the_mode_is_what_it_is(db: Connection) -> None:
    await topology.change(db, mode=Mode.DEDICATED)
    await freeze(db, NOON + SECOND)
    await topology.change(db, mode=Mode.DEDICATED, strategy=Strategy.STICKY)

    assert (await cluster.show(db)).changed_at == NOON


async def test_everybody_is_told_of_a_change(clean: Connection) -> None:
    ears = await listen(clean, ["fcs_candidates", "fcs_supervisor"])
    await topology.change(clean, mode=Mode.DEDICATED)

    heard = await ears.heard()
    assert heard == [("fcs_candidates", "mode"), ("fcs_supervisor", "workers")]


# What only a leader can keep.


@pytest.mark.parametrize(
    "limit", [{"running_max": 3}, {"rate": 1}, {"key_running_max": 3}, {"key_rate": 1}]
)
async def test_limits_keep_the_mode_from_being_hash(
    db: Connection, limit: dict[str, float]
) -> None:
    await topology.set_limits(db, "mail", limit)

    with pytest.raises(LimitsNeedLeader, match="mail") as refusal:
        await topology.change(db, mode=Mode.HASH)
    assert "fcs queue set mail" in refusal.value.hint
    assert (await cluster.show(db)).mode is Mode.ELECTED
    assert (await topology.change(db, mode=Mode.DEDICATED)).after.mode is Mode.DEDICATED


async def test_many_limited_queues_are_not_all_named(db: Connection) -> None:
    for n in range(7):
        await topology.set_limits(db, f"q{n}", {"rate": 1})

    with pytest.raises(LimitsNeedLeader, match=r"q0, q1, q2, q3, q4, …"):
        await topology.change(db, mode=Mode.HASH)


async def test_pauses_and_what_limits_nothing_do_not(db: Connection) -> None:
    await queues.pause(db, "mail", by="ann", why="")
    await topology.set_limits(db, "slow", {"burst": 3, "key_burst": 3})

    assert (await topology.change(db, mode=Mode.HASH)).after.mode is Mode.HASH


@pytest.mark.parametrize(
    "limit", [{"running_max": 3}, {"rate": 1}, {"key_running_max": 3}, {"key_rate": 1}]
)
async def test_in_mode_hash_no_queue_can_be_limited(
    db: Connection, limit: dict[str, float]
) -> None:
    await topology.change(db, mode=Mode.HASH)

    with pytest.raises(LimitsNeedLeader, match="mail") as refusal:
        await topology.set_limits(db, "mail", limit)
    assert "fcs mode elected" in refusal.value.hint
    assert await queues.rules(db) == []


async def test_in_mode_hash_limits_can_be_taken_away(db: Connection) -> None:
    await topology.change(db, mode=Mode.HASH)
    await db.execute("insert into fcs.queues (name, rate) values ('mail', 1)")  # by hand
    await topology.set_limits(db, "mail", {"rate": None, "burst": 7})

    assert await queues.rules(db) == []


async def switch(db: Connection) -> bool:
    try:
        await topology.change(db, mode=Mode.HASH)
    except LimitsNeedLeader:
        return False
    return True


async def limit(db: Connection) -> bool:
    return await queues.set_limits(db, "mail", {"running_max": 3})


@pytest.mark.parametrize(("first", "second"), [(switch, limit), (limit, switch)])
async def test_of_a_switch_and_a_limit_at_once_one_is_refused(
    stage: Stage, first: Act, second: Act
) -> None:
    """Neither sees what the other has not committed, and so one waits for the other."""
    played = await stage.play(first, second)

    assert (played.first, played.second, played.waited) == (True, False, True)
    is_hash = (await cluster.show(stage.observer)).mode is Mode.HASH
    assert is_hash == (not await queues.rules(stage.observer))


@pytest.mark.parametrize(("first", "second"), [(switch, limit), (limit, switch)])
async def test_what_was_not_committed_refuses_nobody(stage: Stage, first: Act, second: Act) -> None:
    played = await stage.play(first, second, commit=False)

    assert (played.first, played.second, played.waited) == (True, True, True)


async def test_two_limits_do_not_wait_for_each_other(stage: Stage) -> None:
    played = await stage.play(limit, lambda db: queues.set_limits(db, "other", {"running_max": 3}))
    assert (played.second, played.waited) == (True, False)
