"""The models: that nothing is wrong with them, and that the search would find it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from fcs.domain.task import Move
from proof.model import configurations, page
from proof.model.checker import TooManyStates, search
from proof.model.cluster import Cluster
from proof.model.configurations import Configuration
from proof.model.election import Election
from proof.model.life import Scope
from proof.model.liveness import look_ahead
from proof.model.mistakes import MISTAKES, Mistake
from proof.model.moves import without
from proof.model.standby import Standby
from proof.model.state import Task, Workers

Jugs = tuple[int, int]


class TwoJugs:
    """A jug of 3 and one of 5 litres, and a tap: an old riddle asks for 4 litres."""

    def __init__(self, wanted: int = 4) -> None:
        self._wanted = wanted

    def start(self) -> Jugs:
        return (0, 0)

    def steps(self, state: Jugs) -> Iterator[tuple[str, Jugs, str]]:
        small, large = state
        to_large, to_small = min(small, 5 - large), min(large, 3 - small)
        for label, after in (
            ("fill small", (3, large)),
            ("fill large", (small, 5)),
            ("empty small", (0, large)),
            ("empty large", (small, 0)),
            ("small to large", (small - to_large, large + to_large)),
            ("large to small", (small + to_small, large - to_small)),
        ):
            yield label, after, ""

    def wrong(self, state: Jugs) -> str:
        return f"{self._wanted} litres" if self._wanted in state else ""

    def fair_steps(self, state: Jugs) -> Iterator[Jugs]:
        """Somebody pours from the small one into the large one, and does nothing else."""
        yield from (after for label, after, _ in self.steps(state) if label == "small to large")

    def is_good(self, state: Jugs) -> bool:
        return state[0] == 0


def test_a_counterexample_is_the_shortest_one() -> None:
    found = search(TwoJugs()).counterexample

    assert found
    assert found.wrong == "4 litres"
    assert found.states[0] == (0, 0)
    assert 4 in found.states[-1]
    assert len(found.steps) == 6, "as the riddle's solution"
    assert found.steps[0] == "fill large"


def test_a_search_without_a_find_has_seen_everything() -> None:
    result = search(TwoJugs(wanted=7))

    assert result.counterexample is None
    assert result.states == 16, "one of the two is empty or full"


def test_a_model_that_grows_too_large_is_stopped() -> None:
    with pytest.raises(TooManyStates):
        search(TwoJugs(wanted=7), states_max=10)


def test_who_can_wait_for_ever_is_found() -> None:
    ahead = look_ahead(TwoJugs(), wrong="never empty")

    assert ahead.states == 16
    assert ahead.counterexample
    assert ahead.counterexample.states[-1] == (3, 5), "the nearest one that pouring does not empty"


@pytest.mark.parametrize("configuration", configurations.SHORT, ids=lambda one: one.name)
def test_no_state_breaks_a_promise_and_the_page_shows_as_many(configuration: Configuration) -> None:
    result = configuration.look()

    assert result.counterexample is None, configuration.tell(result.counterexample)
    shown = f"| {configuration.name} | {result.states:,} | {result.depth} |"
    assert shown in page.PAGE.read_text("utf-8"), "run: python -m proof model --long --publish"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_each_mistake_breaks_what_it_must(mistake: Mistake) -> None:
    found = mistake.counterexample()

    assert found
    assert found.wrong.startswith(f"{mistake.breaks}: ")


SMALL = Scope(workers=2, dispatches=2, max_attempts=2, retry_interrupted=True)
NO_ATTEMPT = without("attempt", "begin")


@pytest.mark.parametrize("tasks", [1, 2])
def test_folding_leaves_out_nothing_but_names(tasks: int) -> None:
    scope = Scope(workers=2, lives=3 - tasks, dispatches=1, tasks=tasks)
    whole, folded = search(Cluster(scope)), search(Cluster(scope, is_folded=True))

    assert whole.states / 2**tasks <= folded.states < whole.states
    assert folded.depth == whole.depth


@pytest.mark.parametrize(
    "moves",
    [without("dispatch_no", "begin", moves=NO_ATTEMPT), without("incarnation", "begin")],
    ids=["dispatch_no", "incarnation"],
)
def test_folding_hides_no_mistake(moves: Sequence[Move]) -> None:
    scope = replace(SMALL, moves=moves, dispatches=3)
    whole = search(Cluster(scope)).counterexample
    folded = search(Cluster(scope, is_folded=True)).counterexample

    assert whole
    assert folded
    assert len(whole.steps) == len(folded.steps)


def test_old_dispatches_need_not_be_remembered() -> None:
    """Their numbers are compared, and never come again."""
    assert states_of(replace(SMALL, remembers=True)) == states_of(SMALL)


def states_of(scope: Scope) -> set[tuple[Workers, Task]]:
    """All states of one task, but for what is remembered of it."""
    cluster = Cluster(scope)
    seen, ahead = {cluster.start()}, [cluster.start()]
    while ahead:
        for _, after, wrong in cluster.steps(ahead.pop()):
            assert not wrong
            if after not in seen:
                seen.add(after)
                ahead.append(after)
    told = [cluster.told(state) for state in seen]
    return {(workers, task._replace(told=())) for workers, [task] in told}


def test_the_nearest_state_that_stands_still_is_found_both_ways() -> None:
    """By its own look, and from all that is bound to happen."""
    scope = replace(SMALL, moves=without("incarnation", "begin"))
    nearby = search(Cluster(scope), until=lambda wrong: wrong.startswith("LIVE")).counterexample
    ahead = look_ahead(Cluster(scope), wrong="LIVE").counterexample

    assert nearby
    assert ahead
    assert len(ahead.steps) <= len(nearby.steps), "what leads there is lost already"


def test_both_searches_see_the_same() -> None:
    assert search(Cluster(SMALL)).states == look_ahead(Cluster(SMALL), wrong="").states
    assert search(Election(2, 1)).states == look_ahead(Election(2, 1), wrong="").states


def test_two_that_lead_at_once_would_be_seen() -> None:
    assert search(Election(2, 1)).counterexample is None

    found = search(Election(2, 1, lease=10)).counterexample
    assert found
    assert found.wrong.startswith("LEAD: ")


def test_a_failover_matters_to_the_model() -> None:
    """A commit that the standby has not received can be lost, and what was answered cannot."""
    model = Standby(Scope())
    lost, ahead, seen = False, [model.start()], {model.start()}
    while ahead and not lost:
        for label, after, _ in model.steps(state := ahead.pop()):
            lost = lost or (label.verb == "fail over" and state.task.attempt > after.task.attempt)
            if after not in seen:
                seen.add(after)
                ahead.append(after)
    assert lost
