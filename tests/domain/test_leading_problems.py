"""How a cluster is led: what is wrong with it is told when it is, each with what to do."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.domain.samples import LEADER, NOON, SECOND, led, unled

from fcs.domain.cluster import Candidates, ClusterView, behind
from fcs.domain.leading_problems import find_leading_problems, without_leader
from fcs.domain.problems import ClusterProblem
from fcs.domain.topology import Mode, Part

BOTH = Candidates(supervisors=1, electable_workers=1)
WORKERS = Candidates(electable_workers=2)


class Node(NamedTuple):
    id: UUID = UUID(int=7)
    state: str = "live"
    follows: Mode | None = Mode.ELECTED


def look(cluster: ClusterView, *nodes: Node) -> Sequence[ClusterProblem]:
    return [*find_leading_problems(cluster, nodes)]


def code(cluster: ClusterView) -> str | None:
    problem = without_leader(cluster)
    return problem.code if problem else None


@pytest.mark.parametrize("mode", [Mode.DEDICATED, Mode.ELECTED])
def test_all_is_well_where_somebody_leads(mode: Mode) -> None:
    assert look(led(mode=mode), Node(follows=mode)) == []


def test_in_mode_hash_nobody_is_missed() -> None:
    assert look(unled(mode=Mode.HASH), Node(follows=Mode.HASH)) == []
    assert look(led(mode=Mode.HASH, expires_in=-60.0)) == []


def test_the_remedy_is_one_that_helps_in_this_mode() -> None:
    [dedicated] = look(unled(mode=Mode.DEDICATED))
    [elected] = look(unled(mode=Mode.ELECTED))
    [beside] = look(unled(mode=Mode.DEDICATED, candidates=WORKERS))

    assert {dedicated.code, elected.code, beside.code} == {"no_supervisor"}
    assert "fcs supervise" in dedicated.hint
    assert "elect" not in dedicated.hint
    assert "fcs supervise" in elected.hint
    assert "fcs work --elect" in elected.hint
    assert "fcs mode elected" in beside.hint


def test_who_led_last_is_named_where_nobody_is_left() -> None:
    [problem] = look(led(expires_in=-60.0, candidates=Candidates()))
    assert problem.code == "no_supervisor"
    assert f"{LEADER}, has been silent for 60 s" in problem.message


def test_who_is_about_to_give_up_the_lead_is_not_called_silent() -> None:
    worker = replace(LEADER, part=Part.ELECTABLE_WORKER)
    problem = without_leader(led(mode=Mode.DEDICATED, leader=worker, candidates=WORKERS))
    assert problem is not None
    assert "silent" not in problem.message


def test_candidates_count_that_may_lead_in_this_mode() -> None:
    assert code(unled(mode=Mode.DEDICATED, candidates=WORKERS)) == "no_supervisor"
    assert code(unled(mode=Mode.DEDICATED, candidates=BOTH)) == "no_leader"
    assert code(unled(mode=Mode.ELECTED, candidates=WORKERS)) == "no_leader"


def test_a_vacancy_is_news_when_it_takes_too_long() -> None:
    assert code(led(expires_in=-9.0)) is None
    assert code(led(expires_in=-11.0)) == "leader_silent"
    assert code(led(leader=None, expires_in=-9.0)) is None
    assert code(led(leader=None, expires_in=-11.0)) == "no_leader"


def test_before_the_mode_was_changed_nobody_had_to_lead() -> None:
    changed = led(leader=None, expires_in=-3_600.0, now=NOON + SECOND)
    assert code(changed) is None
    [problem] = look(led(leader=None, expires_in=-3_600.0))
    assert "nobody has led for 60 s" in problem.message


def test_a_silent_leader_is_named_and_since_when() -> None:
    [problem] = look(led(expires_in=-60.0))
    assert str(LEADER) in problem.message
    assert "ended 60 s ago" in problem.message


def test_nodes_that_still_go_by_another_mode_are_named() -> None:
    [problem] = look(led(), Node(), Node(id=UUID(int=8), follows=Mode.HASH))
    assert problem.code == "old_mode"
    assert "60 s, and 1 still goes by an old one" in problem.message
    assert str(UUID(int=8)) in problem.message
    assert str(UUID(int=7)) not in problem.message


def test_a_change_takes_a_moment() -> None:
    late = Node(follows=Mode.HASH)
    assert look(led(now=NOON + 9 * SECOND), late) == []
    assert len(look(led(now=NOON + 11 * SECOND), late)) == 1


def test_who_has_ended_or_told_nothing_yet_is_not_behind() -> None:
    nodes = [Node(state=state, follows=Mode.HASH) for state in ("live", "draining", "lost", "gone")]
    assert behind([*nodes, Node(follows=None)], Mode.ELECTED) == nodes[:2]


@pytest.mark.parametrize(
    ("mode", "part", "fits"),
    [
        (Mode.DEDICATED, Part.ELECTABLE_WORKER, False),
        (Mode.HASH, Part.SUPERVISOR, False),
        (Mode.ELECTED, Part.ELECTABLE_WORKER, True),
    ],
)
def test_a_leader_that_may_not_lead_any_more_goes_by_an_old_mode(
    mode: Mode, part: Part, fits: bool
) -> None:
    problems = look(led(mode=mode, leader=replace(LEADER, part=part)))
    assert [problem.code for problem in problems] == ([] if fits else ["old_mode"])


def test_of_many_a_few_are_named() -> None:
    nodes = [Node(id=UUID(int=n), follows=Mode.HASH) for n in range(9)]
    [problem] = look(led(), *nodes)
    assert "9 still go by an old one" in problem.message
    assert problem.message.count("worker ") == 5


def test_in_short_it_is_said_who_leads_and_not_where() -> None:
    assert led().in_short() == f"mode elected, term 3: supervisor {LEADER.node} leads"
    assert unled().in_short() == "mode elected, term 0: nobody leads"
    assert led(expires_in=-1.0).in_short() == "mode elected, term 3: nobody leads"
    assert led(mode=Mode.HASH).in_short() == "mode hash"
