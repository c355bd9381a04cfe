"""Leadership: who leads knows it, and who cannot know does not."""

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.ids import NodeId
from fcs.domain.leadership import (
    EARLY_SHARE,
    STEP_SHARE,
    YIELD_SHARE,
    Act,
    Leadership,
    LeaseSeen,
    Step,
)

LEASE, MARGIN = 5.0, 0.5
TRUST = LEASE - MARGIN
ME, OTHER = NodeId(UUID(int=1)), NodeId(UUID(int=2))
SPREAD, EARLY = LEASE * STEP_SHARE, LEASE * EARLY_SHARE


def candidate(seed: int = 1) -> Leadership:
    return Leadership(ME, lease=LEASE, margin=MARGIN, rng=Random(seed))


def held(by: NodeId | None = OTHER, *, term: int = 7, expires_in: float = 4.0) -> LeaseSeen:
    return LeaseSeen(term, by, expires_in, is_holder_gone=False)


def look(leadership: Leadership, seen: LeaseSeen, at: float) -> Step:
    """Look, with an answer at once; return what to do then."""
    leadership.looked(seen, asked_at=at, answered_at=at)
    return leadership.decide(at)


def leader(*, at: float = 100.0, term: int = 8) -> Leadership:
    leadership = candidate()
    leadership.won(term, asked_at=at)
    assert leadership.decide(at).act is Act.LEAD
    return leadership


def patience(leadership: Leadership, vacant: LeaseSeen, at: float) -> float:
    """How long it waits from the moment at which it sees a vacancy until it bids."""
    step = look(leadership, vacant, at)
    assert step.act is Act.LOOK
    assert look(leadership, vacant, step.at) == Step(Act.BID, vacant.term + 1, step.at)
    return step.at - at


def test_a_new_candidate_looks_at_once() -> None:
    step = candidate().decide(100.0)

    assert step.act is Act.LOOK
    assert step.at <= 100.0


def test_a_term_that_is_held_is_looked_at_about_once_a_second() -> None:
    for seed in range(50):
        step = look(candidate(seed), held(expires_in=4.0), 100.0)

        assert step.act is Act.LOOK
        assert 101.0 <= step.at <= 101.0 + EARLY


def test_a_term_that_expires_is_looked_at_when_it_does() -> None:
    for seed in range(50):
        step = look(candidate(seed), held(expires_in=0.3), 100.0)

        assert 100.3 <= step.at <= 100.3 + EARLY


def test_candidates_of_a_long_lease_look_less_often() -> None:
    leadership = Leadership(ME, lease=60.0, margin=MARGIN, rng=Random(1))

    assert look(leadership, held(expires_in=55.0), 100.0).at >= 112.0


def test_who_sees_a_vacancy_waits_a_random_while_and_looks_again_before_it_bids() -> None:
    """F-54: of many candidates the first has taken it before most of the others look again."""
    waits = [patience(candidate(seed), held(expires_in=-0.1), 100.0) for seed in range(500)]

    assert 0 <= min(waits) < 0.01 * SPREAD
    assert 0.99 * SPREAD < max(waits) <= SPREAD


@pytest.mark.parametrize("left", [held(None), held()._replace(is_holder_gone=True)])
def test_what_was_left_is_bid_for_soon_although_it_has_not_expired(left: LeaseSeen) -> None:
    waits = [patience(candidate(seed), left, 100.0) for seed in range(500)]

    assert max(waits) <= EARLY < 0.3
    assert len(set(waits)) > 400


def test_who_sees_that_another_was_quicker_waits_for_the_end_of_that_term() -> None:
    leadership = candidate()
    again_at = look(leadership, held(expires_in=-0.1), 100.0).at

    assert look(leadership, held(term=8, expires_in=LEASE), again_at).act is Act.LOOK
    assert look(leadership, held(term=8, expires_in=-0.1), again_at + LEASE).act is Act.LOOK


def test_a_look_before_its_time_is_no_reason_to_bid() -> None:
    leadership = candidate()
    again_at = look(leadership, held(expires_in=-0.1), 100.0).at

    assert look(leadership, held(expires_in=-0.1), again_at - 0.001).act is Act.LOOK
    assert look(leadership, held(expires_in=-0.1), again_at).act is Act.BID


def test_each_vacancy_is_waited_for_anew() -> None:
    gone = held()._replace(is_holder_gone=True)
    leadership = candidate()
    again_at = look(leadership, gone, 100.0).at
    assert look(leadership, gone, again_at).act is Act.BID

    assert look(leadership, held(), again_at).act is Act.LOOK, "its holder has come back"
    assert look(leadership, gone, again_at + 10).act is Act.LOOK
    assert look(leadership, gone._replace(term=9), again_at + 20).act is Act.LOOK


def test_who_is_beaten_looks_who_has_won() -> None:
    leadership = candidate()
    again_at = look(leadership, held(expires_in=-0.1), 100.0).at
    look(leadership, held(expires_in=-0.1), again_at)

    leadership.beaten(again_at)

    step = leadership.decide(again_at)
    assert step.act is Act.LOOK
    assert again_at + SPREAD <= step.at <= again_at + SPREAD + EARLY
    assert look(leadership, held(expires_in=-1.2), step.at).act is Act.LOOK, "drawn anew"


def test_a_winner_leads_until_shortly_before_its_lease_ends() -> None:
    """The lease in the database cannot have begun before the bid was sent."""
    leadership = candidate()
    leadership.won(8, asked_at=100.0)

    assert leadership.decide(100.2) == Step(Act.LEAD, 8, 100.0 + SPREAD)
    assert leadership.leads(100.0 + TRUST - 0.001)
    assert not leadership.leads(100.0 + TRUST)


def test_an_answer_that_comes_too_late_makes_no_leader() -> None:
    leadership = candidate()
    leadership.won(8, asked_at=100.0)

    assert leadership.decide(100.0 + TRUST).act is Act.LOOK, "nothing to stop"


def test_a_renewal_extends_the_trust_from_when_it_was_sent() -> None:
    leadership = leader(at=100.0)
    leadership.renewed(asked_at=101.0)

    assert leadership.decide(101.5) == Step(Act.LEAD, 8, 101.0 + SPREAD)
    assert leadership.leads(101.0 + TRUST - 0.001)
    assert not leadership.leads(101.0 + TRUST)


@pytest.mark.parametrize("late", [0.0, 1.0, 3_600.0])
def test_who_cannot_renew_stops_once_and_looks(late: float) -> None:
    """F-51: also one that was paused, whenever it goes on."""
    leadership = leader(at=100.0)
    at = 100.0 + TRUST + late

    assert leadership.decide(at).act is Act.STOP
    step = leadership.decide(at)
    assert step.act is Act.LOOK
    assert step.at <= at


def test_who_led_looks_before_it_bids_again() -> None:
    leadership = candidate()
    again_at = look(leadership, held(expires_in=-0.1), 100.0).at
    assert look(leadership, held(expires_in=-0.1), again_at).act is Act.BID
    leadership.won(8, asked_at=again_at)
    assert leadership.decide(again_at).act is Act.LEAD

    leadership.refused(101.0)

    assert [leadership.decide(101.0).act for _ in range(2)] == [Act.STOP, Act.LOOK]


def test_who_is_refused_stops_at_once() -> None:
    leadership = leader(at=100.0)
    leadership.refused(101.0)

    assert not leadership.leads(101.0)
    assert [leadership.decide(101.0).act for _ in range(2)] == [Act.STOP, Act.LOOK]


def test_who_sees_another_leader_stops_at_once() -> None:
    leadership = leader(at=100.0, term=8)

    assert look(leadership, held(term=9), 101.0).act is Act.STOP
    assert not leadership.leads(101.0)


def test_a_leader_that_looks_goes_on_and_renews_no_later() -> None:
    leadership = leader(at=100.0, term=8)

    assert look(leadership, held(ME, term=8), 100.9) == Step(Act.LEAD, 8, 100.0 + SPREAD)
    assert not leadership.leads(100.0 + TRUST)


def test_an_answer_to_a_renewal_that_comes_after_the_end_gives_nothing_back() -> None:
    leadership = leader(at=100.0)
    leadership.decide(100.0 + TRUST)
    leadership.renewed(asked_at=104.0)

    assert not leadership.leads(100.0 + TRUST)


def test_who_sees_that_it_has_won_without_having_been_told_leads() -> None:
    """The answer to the bid was lost: else nobody would lead for a lease."""
    leadership = candidate()
    leadership.beaten(100.0)

    step = look(leadership, held(ME, term=8, expires_in=3.5), 101.5)

    assert step.act is Act.LEAD
    assert step.at <= 101.5, "what is left of it is renewed at once"
    assert leadership.leads(101.5 + 3.5 - MARGIN - 0.001)
    assert not leadership.leads(101.5 + 3.5 - MARGIN)


def test_what_is_nearly_over_or_left_behind_is_no_term_to_lead() -> None:
    gone = held(ME, term=8)._replace(is_holder_gone=True)

    assert look(candidate(), gone, 100.0).act is Act.LOOK
    assert look(candidate(), held(ME, term=8, expires_in=MARGIN), 100.0).act is not Act.LEAD


def test_a_term_that_was_given_up_is_not_taken_up_again() -> None:
    """Its row may show it for a while, until it expires."""
    leadership = leader(at=100.0, term=8)
    leadership.decide(100.0 + TRUST)
    leadership.decide(100.0 + TRUST)

    assert look(leadership, held(ME, term=8, expires_in=4.0), 105.0).act is Act.LOOK
    assert not leadership.leads(105.0)


def lost(at: float) -> Leadership:
    """One that has led and could not renew, when its lease has ended by all clocks."""
    leadership = leader(at=at - LEASE)
    while leadership.decide(at).act is not Act.LOOK:
        pass
    return leadership


def test_who_lost_its_lease_lets_others_go_first() -> None:
    """F-55: two slow ones would win from themselves, and a quick one has no turn."""
    slowest = max(patience(candidate(seed), held(expires_in=0.0), 100.0) for seed in range(100))

    for left in (held(ME, term=8, expires_in=0.0), held(None, term=9)):
        assert patience(lost(100.0), left, 100.0) > slowest


def test_who_lost_its_lease_and_is_alone_leads_again_within_two_leases() -> None:
    """A lone candidate cannot know that it is alone, and must not wait for ever."""
    own = held(ME, term=8, expires_in=0.0)

    assert patience(lost(100.0), own, 100.0) < LEASE
    assert patience(lost(100.0), own._replace(expires_in=-4.0), 104.0) <= SPREAD, "waited enough"


def test_after_a_lease_it_is_a_candidate_like_others() -> None:
    yielding = patience(lost(100.0), held(None, term=9), 100.0 + LEASE - MARGIN - 0.01)
    forgiven = patience(lost(100.0), held(None, term=9), 100.0 + LEASE - MARGIN)

    assert yielding >= LEASE * YIELD_SHARE
    assert forgiven <= EARLY


def test_who_resigned_stops_and_may_bid_like_others() -> None:
    leadership = leader(at=100.0)
    leadership.resigned(101.0)

    assert not leadership.leads(101.0)
    assert [leadership.decide(101.0).act for _ in range(2)] == [Act.STOP, Act.LOOK]
    assert patience(leadership, held(None, term=8), 101.0) <= EARLY


def test_whose_connection_broke_need_not_wait_for_the_end_of_its_own_term() -> None:
    """Behind a pooler the row goes on to name it, and not even the database sees it gone."""
    leadership = leader(at=100.0, term=8)
    leadership.resigned(101.0)
    leadership.decide(101.0)

    assert patience(leadership, held(ME, term=8), 101.0) <= EARLY


def test_who_lost_its_own_term_waits_for_its_end() -> None:
    leadership = leader(at=100.0, term=8)
    leadership.refused(101.0)
    leadership.decide(101.0)

    assert look(leadership, held(ME, term=8), 101.0).act is Act.LOOK
    assert look(leadership, held(ME, term=8), 104.0).act is Act.LOOK


@given(st.floats(0, 1e6), st.floats(0, 10), st.floats(0, 10))
def test_nobody_leads_beyond_what_the_database_granted(
    asked_at: float, there: float, back: float
) -> None:
    """A bid that travels for so long, and an answer."""
    leadership = candidate()
    leadership.won(8, asked_at=asked_at)

    granted_until = asked_at + there + LEASE
    assert not leadership.leads(granted_until - MARGIN)
    assert leadership.leads(asked_at + there + back) == (there + back < TRUST) or (
        abs(there + back - TRUST) < 1e-6
    )
