"""What is searched: small configurations in the short form, and larger ones too in the long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proof.model.checker import Counterexample, Result, search
from proof.model.cluster import Cluster
from proof.model.election import Election
from proof.model.forget import Forget
from proof.model.life import Scope
from proof.model.liveness import Outlook, look_ahead
from proof.model.mistakes import STANDSTILL
from proof.model.promise import LIVE
from proof.model.ring import Ring
from proof.model.scan import Scan
from proof.model.standby import Standby
from proof.model.story import of_candidates, of_creates, of_ring, of_tasks


@dataclass(frozen=True, slots=True)
class Configuration:
    """One model of one size."""

    name: str
    look: Callable[[], Result[Any, Any] | Outlook]
    tell: Callable[[Counterexample[Any, Any]], list[str]]
    look_plainly: Callable[[], Result[Any, Any] | Outlook] | None = None
    """The same without names left out, if something was found: for a story that can be read."""


def _named(scope: Scope) -> str:
    asked = "at most once"
    if scope.retry_interrupted:
        asked = f"{scope.max_attempts} attempts, also when interrupted"
    elif scope.max_attempts > 1:
        asked = f"{scope.max_attempts} attempts"
    size = [
        _counted(scope.tasks, "task"),
        _counted(scope.workers, "worker") + (f" of {scope.lives} lives" if scope.lives > 1 else ""),
        _counted(scope.dispatches, "dispatch", "dispatches"),
    ]
    more = ["clients"] * scope.clients + ["workers that leave"] * scope.leaving
    more += ["full memory"] * scope.remembers
    return ", ".join([*size, *more]) + f"; {asked}"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def safe(**given: Any) -> Configuration:
    """That nothing goes wrong, and no task stands still."""
    scope = Scope(**given)
    return Configuration(
        _named(scope),
        lambda: search(Cluster(scope, is_folded=True)),
        of_tasks,
        lambda: search(Cluster(scope)),
    )


def _bound(**given: Any) -> Configuration:
    scope = Scope(**given)
    wrong = f"{LIVE}: a task can wait for ever"
    return Configuration(
        f"no task is stuck: {_named(scope)}",
        lambda: look_ahead(Cluster(scope), wrong=wrong),
        of_tasks,
    )


def standby(**given: Any) -> Configuration:
    """That nothing goes wrong where a primary is lost."""
    scope = Scope(**given)
    name = f"a standby takes over: {_named(scope)}"
    return Configuration(name, lambda: search(Standby(scope)), of_tasks)


def forget(**given: Any) -> Configuration:
    scope = Scope(**given)
    name = f"a standby forgets: {_named(scope)}"
    return Configuration(name, lambda: search(Forget(scope)), of_tasks)


def _election(candidates: int, faults: int) -> Configuration:
    return Configuration(
        f"somebody leads: {candidates} candidates, {_counted(faults, 'fault')}",
        lambda: look_ahead(Election(candidates, faults), wrong=STANDSTILL),
        of_candidates,
    )


def _ring(size: int) -> Configuration:
    name = f"the dead are reaped: a ring of {size}, all but one dead or hanging"
    return Configuration(name, lambda: search(Ring(size)), of_ring)


def _scan(creates: int) -> Configuration:
    name = f"what waits is found: {creates} creates"
    return Configuration(name, lambda: search(Scan(creates)), of_creates)


RETRIES: Final = {"max_attempts": 2, "retry_interrupted": True}

SHORT: Final[Sequence[Configuration]] = (
    safe(workers=3, dispatches=2),
    safe(workers=2, dispatches=3),
    safe(workers=2, lives=2, dispatches=2),
    safe(workers=2, dispatches=2, clients=True, leaving=True),
    safe(workers=2, dispatches=3, **RETRIES),
    safe(workers=2, dispatches=3, max_attempts=2),
    safe(workers=2, dispatches=2, remembers=True),
    safe(tasks=2, workers=2, dispatches=1, clients=True),
    _bound(workers=2, dispatches=2),
    _bound(workers=2, dispatches=2, leaving=True, **RETRIES),
    standby(workers=2, dispatches=2),
    forget(workers=1, dispatches=2),
    _scan(3),
    _ring(5),
    _election(2, 1),
)

LONG: Final[Sequence[Configuration]] = (
    *SHORT,
    safe(workers=3, dispatches=3, clients=True, leaving=True),
    safe(workers=3, lives=2, dispatches=2),
    safe(workers=2, lives=2, dispatches=3, **RETRIES),
    safe(tasks=2, workers=2, dispatches=2, clients=True, leaving=True),
    safe(tasks=2, workers=2, dispatches=3),
    safe(tasks=2, workers=3, dispatches=3),
    safe(tasks=2, workers=2, dispatches=3, **RETRIES),
    safe(tasks=3, workers=2, dispatches=2),
    _bound(workers=2, dispatches=3, clients=True, **RETRIES),
    standby(workers=2, dispatches=3),
    standby(workers=2, dispatches=2, **RETRIES),
    forget(workers=2, dispatches=2),
    forget(workers=2, dispatches=2, **RETRIES),
    _scan(5),
    _election(2, 2),
    safe(tasks=2, workers=2, dispatches=3, max_attempts=2),
    safe(tasks=2, workers=3, dispatches=2, **RETRIES),
)
