"""The office of whoever hands out: what lets it go on, and what ends it."""

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest
from tests.parts.stage import candidate

from fcs.database.leadership import Look
from fcs.database.workers import Survey
from fcs.domain.errors import LeadershipLost
from fcs.domain.ids import Incarnation, NodeId, WorkerId, uuid7
from fcs.domain.leadership import Act, Leadership, LeaseSeen
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part
from fcs.supervisor.office import ModeChanged, Seat, Term

LEASE, MARGIN = 5.0, 1.0
TERM = 7


class Leader:
    """A candidate that has won a term at the moment 0, and its office."""

    def __init__(self, part: Part = Part.SUPERVISOR) -> None:
        self.me = candidate(part)
        self.leadership = Leadership(self.me.node, lease=LEASE, margin=MARGIN, rng=Random(1))
        self.leadership.won(TERM, asked_at=0.0)
        self.office = Term(self.me, self.leadership, term=TERM, lease=LEASE)

    def survey(self, at: float, *, mode: Mode = Mode.ELECTED, is_renewed: bool = True) -> None:
        self.office.surveyed(surveyed(mode, is_renewed=is_renewed), asked_at=at, answered_at=at)


def surveyed(mode: Mode, *, is_renewed: bool = False) -> Survey:
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    return Survey(now, 60.0, mode, Strategy.RANDOM, is_renewed, [])


def seat() -> Seat:
    me, incarnation = uuid7(1, bytes(10)), uuid7(2, bytes(10))
    return Seat(
        WorkerId(me),
        Incarnation(incarnation),
        account=lambda: (3, 2, 1),
        hint=lambda _: None,
        lease=LEASE,
    )


# A term


def test_a_leader_goes_on_as_long_as_its_surveys_renew_the_term() -> None:
    leader = Leader()
    for at in range(0, 20, 3):
        assert leader.leadership.leads(at)
        leader.survey(at)


def test_a_term_is_trusted_from_before_its_survey_was_sent() -> None:
    """F-51: time between a survey and its answer is not counted."""
    leader = Leader()
    leader.office.surveyed(surveyed(Mode.ELECTED, is_renewed=True), asked_at=1.0, answered_at=4.0)

    assert leader.leadership.leads(1.0 + LEASE - MARGIN - 0.1)
    assert not leader.leadership.leads(1.0 + LEASE - MARGIN)


def test_a_leader_whose_term_somebody_else_ended_leads_no_more() -> None:
    leader = Leader()

    with pytest.raises(LeadershipLost, match="somebody else leads"):
        leader.survey(1.0, is_renewed=False)
    assert not leader.leadership.leads(1.0)
    assert leader.leadership.decide(1.0).act is not Act.LEAD


@pytest.mark.parametrize(
    ("part", "mode", "goes_on"),
    [
        (Part.SUPERVISOR, Mode.DEDICATED, True),
        (Part.SUPERVISOR, Mode.ELECTED, True),
        (Part.SUPERVISOR, Mode.HASH, False),
        (Part.ELECTABLE_WORKER, Mode.DEDICATED, False),
        (Part.ELECTABLE_WORKER, Mode.ELECTED, True),
        (Part.ELECTABLE_WORKER, Mode.HASH, False),
    ],
)
def test_who_may_not_lead_in_the_new_mode_steps_down(part: Part, mode: Mode, goes_on: bool) -> None:
    leader = Leader(part)
    if goes_on:
        leader.survey(1.0, mode=mode)
        return
    with pytest.raises(ModeChanged, match=mode.value):
        leader.survey(1.0, mode=mode)
    assert leader.leadership.leads(1.0), "until it has given up the term in order"


def test_a_term_is_over_for_who_sees_another_one_or_another_holder() -> None:
    leader = Leader()

    def seen(term: int, holder: NodeId | None) -> Look:
        return Look(LeaseSeen(term, holder, 1.0, False), None, Mode.ELECTED)

    assert not leader.office.is_over(seen(TERM, leader.me.node))
    assert leader.office.is_over(seen(TERM + 1, candidate().node))
    assert leader.office.is_over(seen(TERM, None))
    assert leader.office.is_over(seen(TERM, candidate().node))


# A seat


@pytest.mark.parametrize("mode", [Mode.DEDICATED, Mode.ELECTED])
def test_a_seat_is_left_when_somebody_is_to_lead(mode: Mode) -> None:
    seat().surveyed(surveyed(Mode.HASH), asked_at=0.0, answered_at=0.0)

    with pytest.raises(ModeChanged, match=mode.value):
        seat().surveyed(surveyed(mode), asked_at=0.0, answered_at=0.0)


def test_a_seat_is_over_with_its_mode() -> None:
    vacant = LeaseSeen(0, None, 0.0, False)

    assert not seat().is_over(Look(vacant, None, Mode.HASH))
    assert seat().is_over(Look(vacant, None, Mode.ELECTED))


def test_a_seat_knows_how_its_worker_is() -> None:
    one = seat()
    report = one.report()

    assert report.incarnation == one.share.incarnation
    assert (report.report_no, report.slots_busy, report.tasks_taken) == (3, 2, 1)


async def test_a_freed_slot_wakes_once_and_from_any_thread() -> None:
    one, woken = seat(), asyncio.Semaphore(0)
    await asyncio.to_thread(one.freed)  # nobody wants to know
    one.wake_when_freed(woken.release)
    await asyncio.to_thread(one.freed)
    await asyncio.to_thread(one.freed)

    await woken.acquire()
    assert woken.locked()


def test_a_slot_that_is_freed_after_the_session_has_ended_wakes_nobody() -> None:
    one = seat()

    async def session() -> None:
        one.wake_when_freed(lambda: None)

    asyncio.run(session())
    one.freed()
