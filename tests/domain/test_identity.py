"""Whether a database is the one that is known: what counts is what could have been forgotten."""

import pytest

from fcs.domain.identity import (
    BINDS_FOR,
    CLAIM_INTERVAL,
    TRUSTED_FOR,
    Claim,
    Fate,
    Origin,
    Place,
    Verdict,
    awaits_adoption,
    awaits_end_of,
    fate_of,
    judge,
    to_claim,
)
from fcs.domain.task import Status

KNOWN = Place(system=7, database=5, timeline=1)
PROMOTED = KNOWN._replace(timeline=2)
COPY_ELSEWHERE = PROMOTED._replace(system=8)
MADE = Origin(KNOWN.system, KNOWN.timeline)
NONE = Claim("", 0.0)
FRESH = Claim("s1", 1.0)


def test_where_nothing_is_known_nothing_can_be_forgotten() -> None:
    assert judge(None, KNOWN, NONE, None) == Verdict(is_home=True)


@pytest.mark.parametrize(
    "found", [KNOWN, KNOWN._replace(database=6), KNOWN._replace(system=8), COPY_ELSEWHERE]
)
def test_copies_of_a_database_in_which_nothing_ever_began_are_just_databases(found: Place) -> None:
    assert judge(None, found, NONE, None, origin=MADE) == Verdict(is_home=True)


def test_a_promoted_standby_that_knows_of_nobody_may_have_forgotten_the_first_one() -> None:
    """F-79: it had the tasks, and not that somebody began to run them."""
    verdict = judge(None, PROMOTED, NONE, None, origin=MADE)

    assert not verdict.is_home
    assert "timeline 1 is now 2" in verdict.why


def test_the_same_place_is_home_whatever_the_standbys() -> None:
    for claim in (NONE, FRESH, Claim("s1", 1e9)):
        assert judge(KNOWN, KNOWN, claim, None) == Verdict(is_home=True)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (KNOWN._replace(system=8), "another Postgres"),
        (PROMOTED._replace(system=8), "another Postgres"),
        (KNOWN._replace(database=6), "same Postgres"),
        (PROMOTED._replace(database=6), "same Postgres"),
    ],
)
def test_a_copy_is_not_home_whoever_commits_waited_for(found: Place, word: str) -> None:
    """F-80: it may be of any age."""
    verdict = judge(KNOWN, found, FRESH, "s1")

    assert not verdict.is_home
    assert word in verdict.why


def test_the_standby_that_commits_waited_for_has_forgotten_nothing() -> None:
    verdict = judge(KNOWN, PROMOTED, FRESH, "S1")

    assert verdict.is_home
    assert "timeline 1 is now 2" in verdict.why


def test_so_it_is_when_it_was_promoted_again_before_anybody_looked() -> None:
    assert judge(KNOWN, KNOWN._replace(timeline=4), Claim("2 (s1, s2)", 1.0), "s2").is_home


@pytest.mark.parametrize(
    ("claim", "name", "word"),
    [
        (NONE, "s1", "may be lost"),
        (Claim("*", 1.0), "s1", "may be lost"),
        (Claim("s1, s2", 1.0), "s1", "may be lost"),
        (Claim("ANY 1 (s1, s2)", 1.0), "s1", "may be lost"),
        (FRESH, None, "pg_read_all_settings"),
        (FRESH, "s2", "not for s2"),
        (Claim("s1", TRUSTED_FOR + 1), "s1", "without it"),
    ],
)
def test_any_other_promotion_may_have_lost_something(
    claim: Claim, name: str | None, word: str
) -> None:
    """F-79."""
    verdict = judge(KNOWN, PROMOTED, claim, name)

    assert not verdict.is_home
    assert word in verdict.why


def test_what_is_claimed_is_the_setting_unless_a_name_says_too_little() -> None:
    assert to_claim("FIRST 2 (s1, s2)", ["s1", "S2", "other", "other"]) == "FIRST 2 (s1, s2)"
    assert to_claim("s1", []) == "s1", "the claim itself waits for it"
    assert to_claim("s1", ["s1", "S1"]) == ""
    assert to_claim("ANY 1 (s1, s2)", ["s1", "s2"]) == ""
    assert to_claim("", ["s1"]) == ""


def test_a_claim_binds_for_longer_than_it_is_trusted_and_is_renewed_well_before() -> None:
    assert CLAIM_INTERVAL <= TRUSTED_FOR / 2
    assert BINDS_FOR - TRUSTED_FOR >= 30


@pytest.mark.parametrize(
    ("status", "has_testified", "may_retry", "fate"),
    [
        (Status.DISPATCHED, True, False, Fate.BEGINS),
        (Status.RUNNING, True, True, Fate.RUNS_ON),
        (Status.DISPATCHED, False, False, Fate.INTERRUPTED),
        (Status.RUNNING, False, False, Fate.INTERRUPTED),
        (Status.DISPATCHED, False, True, Fate.RUNS_AGAIN),
        (Status.RUNNING, False, True, Fate.RUNS_AGAIN),
    ],
)
def test_what_nobody_knows_of_does_not_begin_unless_that_was_asked_for(
    status: Status, has_testified: bool, may_retry: bool, fate: Fate
) -> None:
    assert fate_of(status, has_testified=has_testified, may_retry=may_retry) == fate


def test_a_glance_says_what_to_do() -> None:
    problem = awaits_adoption("it was promoted")

    assert "it was promoted" in problem.message
    assert "fcs adopt" in problem.hint
    problem = awaits_end_of(FRESH, "s2")
    assert "waited for s1 and now wait for s2" in problem.message
    assert "90 s" in problem.hint
