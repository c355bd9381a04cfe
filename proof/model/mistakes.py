"""Models that must fail: each makes one mistake, and breaks what the mistake must break.

A checker that finds nothing may have looked at nothing. These show that it looks, and what each
fence is there for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from fcs.domain.task import MOVES, Move
from proof.model.checker import Counterexample, Result, search
from proof.model.cluster import Cluster
from proof.model.election import Election
from proof.model.forget import Forget
from proof.model.life import Lapse, Scope
from proof.model.liveness import Outlook, look_ahead
from proof.model.moves import without
from proof.model.promise import FINAL, LIVE, ONCE, OWNER
from proof.model.ring import Ring, without_widening
from proof.model.scan import Mistake as Oversight
from proof.model.scan import Scan
from proof.model.standby import Standby
from proof.model.story import Teller, of_candidates, of_creates, of_ring, of_tasks

STANDSTILL: Final = f"{LIVE}: nobody leads, and nobody will"

Found = Result[Any, Any] | Outlook


@dataclass(frozen=True, slots=True)
class Mistake:
    """One model that must fail."""

    name: str
    what: str
    """What is done wrong, in a sentence."""
    breaks: str
    """The word of the promise that it must break."""
    look: Callable[[str], Found]
    tell: Teller

    def counterexample(self) -> Counterexample[Any, Any] | None:
        """The shortest way to what it breaks, if there is any."""
        return _found(self)

    def story(self) -> list[str]:
        """The same as sentences, the last of which says what is wrong."""
        found = self.counterexample()
        assert found is not None, f"{self.name} has broken nothing"
        return [*self.tell(found), found.wrong]


@cache
def _found(mistake: Mistake) -> Counterexample[Any, Any] | None:
    return mistake.look(mistake.breaks).counterexample


def in_seed() -> tuple[Move, ...]:
    """The table as the seed has it: a begin looks at the status, an end at the id alone."""
    fences = {"begin": ("id", "status")} | dict.fromkeys(
        ("succeed", "succeed with a result", "fail"), ("id",)
    )
    return tuple(
        replace(move, fence=fences[move.name]) if move.name in fences else move for move in MOVES
    )


def _searches(model: Callable[[], Any]) -> Callable[[str], Found]:
    def look(breaks: str) -> Found:
        return search(model(), until=lambda wrong: wrong.startswith(breaks))

    return look


def _cluster(**scope: Any) -> Callable[[str], Found]:
    return _searches(lambda: Cluster(Scope(**scope)))


def _forget(**scope: Any) -> Callable[[str], Found]:
    return _searches(lambda: Forget(Scope(**scope)))


def _scan(creates: int, oversight: Oversight) -> Callable[[str], Found]:
    return _searches(lambda: Scan(creates, oversight))


def of_tables(
    name: str, what: str, breaks: str, *, moves: Sequence[Move] = MOVES, **scope: Any
) -> Mistake:
    """One that a table can make, or the workers of a cluster."""
    return Mistake(name, what, breaks, _cluster(moves=moves, **scope), of_tasks)


SUCCESSES: Final = ("succeed", "succeed with a result")
ENDS: Final = (*SUCCESSES, "fail")

MISTAKES: Final[Sequence[Mistake]] = (
    of_tables(
        "the seed: an end needs only the id",
        "A begin looks only at the status, and an end at nothing but the id.",
        FINAL,
        moves=in_seed(),
    ),
    of_tables(
        "the seed: a begin needs only the status",
        "The same once more, and what else comes of it.",
        LIVE,
        moves=in_seed(),
        hints_go_astray=False,
    ),
    of_tables(
        "the seed: hints are all there is",
        "Nobody looks for what a lost hint would have told.",
        LIVE,
        lapses=frozenset({Lapse.HINTS_ONLY}),
    ),
    of_tables(
        "no dispatch number",
        "A begin compares neither the number of the dispatch nor that of the attempt.",
        ONCE,
        moves=without("dispatch_no", "begin", moves=without("attempt", "begin")),
        dispatches=3,
        max_attempts=2,
    ),
    of_tables(
        "no incarnation",
        "A begin does not compare whom the task was dispatched to.",
        LIVE,
        moves=without("incarnation", "begin"),
    ),
    of_tables(
        "one name for all lives of a worker",
        "Rows name the worker's id, which it keeps when it is started again.",
        ONCE,
        workers=1,
        lives=2,
        one_identity=True,
        dispatches=3,
    ),
    of_tables(
        "complete by id",
        "The end of a run is written under the task's id, whoever's run it is by now.",
        OWNER,
        moves=without("run_id", *ENDS),
        max_attempts=2,
        retry_interrupted=True,
    ),
    of_tables(
        "complete by id, whatever the status",
        "The end of a run is written under the task's id alone.",
        FINAL,
        moves=without("status", *ENDS, moves=without("run_id", *ENDS)),
    ),
    of_tables(
        "release by id",
        "A run is given back under the task's id, whoever's run it is by now.",
        ONCE,
        moves=without("run_id", "release"),
        dispatches=3,
    ),
    of_tables(
        "release after the go",
        "A run is given back although its body was already told to go.",
        ONCE,
        lapses=frozenset({Lapse.RELEASE_STARTED}),
    ),
    of_tables(
        "reap without a lock",
        "Whoever reaps does not hold the worker's row meanwhile.",
        LIVE,
        workers=1,
        lapses=frozenset({Lapse.REAP_UNLOCKED}),
    ),
    of_tables(
        "retry without asking",
        "Whoever reaps does not ask whether the task may run again when it was interrupted.",
        ONCE,
        moves=without("retry_interrupted", "reap and retry"),
        max_attempts=2,
    ),
    of_tables(
        "retry without counting",
        "A retry does not compare how many attempts there may be.",
        ONCE,
        moves=without("max_attempts", "reap and retry"),
        retry_interrupted=True,
    ),
    Mistake(
        "confirm by reading",
        "A worker without an answer to its begin reads the row to learn whether it went through.",
        ONCE,
        _searches(lambda: Standby(Scope(lapses=frozenset({Lapse.READ_CONFIRM})))),
        of_tasks,
    ),
    Mistake(
        "no number of the attempt",
        "A begin compares the number of the dispatch alone, which a failover lets be given twice.",
        ONCE,
        _searches(lambda: Standby(Scope(moves=without("attempt", "begin"), max_attempts=2))),
        of_tasks,
    ),
    Mistake(
        "a witness unheard",
        "A worker's word about a run that was forgotten counts only where the row waits.",
        ONCE,
        _forget(workers=1, dispatches=2, lapses=frozenset({Lapse.WITNESS_UNHEARD})),
        of_tasks,
    ),
    Mistake(
        "scan by a cursor",
        "The supervisor looks only at ids above the highest one that it has seen.",
        LIVE,
        _scan(2, Oversight.CURSOR),
        of_creates,
    ),
    Mistake(
        "scan, then listen",
        "The supervisor looks at the table before it listens, and not again.",
        LIVE,
        _scan(1, Oversight.SCAN_FIRST),
        of_creates,
    ),
    Mistake(
        "no second look",
        "Who lies down does not look again, and is rung only by those who read that he sleeps.",
        LIVE,
        _scan(1, Oversight.NO_SECOND_LOOK),
        of_creates,
    ),
    Mistake(
        "a ring that does not widen",
        "The next worker on the ring reaps a dead one, and nobody else ever does.",
        LIVE,
        _searches(lambda: Ring(3, without_widening)),
        of_ring,
    ),
    Mistake(
        "a lock instead of a lease",
        "Whoever leads does so until its connection is gone.",
        LIVE,
        lambda _: look_ahead(Election(2, 1, expires=False), wrong=STANDSTILL),
        of_candidates,
    ),
)
