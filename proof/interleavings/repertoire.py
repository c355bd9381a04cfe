"""Which plays there are: pairs in every order, chosen trios, and callers with their own levels."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from proof.interleavings.callers import COUNTERS
from proof.interleavings.play import Act, Role
from proof.interleavings.scenes import Scene

STEPS = {
    "reap": 3, "leave": 3, "take_over": 3, "take_over_as_rival": 3, "adopt": 2, "fire": 2,
    "testify": 2, "testify_while_it_runs": 2,
    "fire_as_rival": 2, "switch_to_hash": 2, "switch_to_elected": 2, "switch_strategy": 2,
}  # fmt: skip
"""Acts that take several statements; all others take one."""


class Play(NamedTuple):
    scene: str
    roles: tuple[Role, ...]
    script: str

    def __str__(self) -> str:
        cast = " | ".join(
            role.name
            + (f" at {role.level}" if role.level else "")
            + ("" if role.commits else ", rolled back")
            for role in self.roles
        )
        return f"[{self.scene}] {cast} [{self.script}]"


def pairs(scene: str, acts: Sequence[Act]) -> Iterator[Play]:
    """The second comes while the first one's transaction is open, after each of its steps."""
    for first, second in itertools.product(acts, repeat=2):
        steps = _steps(first)
        for done in range(1, steps + 1):
            yield Play(scene, (Role(first), Role(second)), "a" * done + "BA")
        if steps > 1 and _steps(second) > 1:
            yield Play(scene, (Role(first), Role(second)), "ab" * steps + "BA")


def undone_pairs(scene: str, acts: Sequence[Act]) -> Iterator[Play]:
    """The same, and then the first one is rolled back: it never was."""
    for first, second in itertools.product(acts, repeat=2):
        roles = Role(first, commits=False), Role(second)
        yield Play(scene, roles, "a" * _steps(first) + "BA")


def trios(scene: Scene) -> Iterator[Play]:
    """Two come while a first one's transaction is open, and may wait for it or for each other."""
    for chosen in scene.trios:
        for first, *others in itertools.permutations(chosen):
            for commits in (True, False):
                roles = Role(first, commits), *map(Role, others)
                yield Play(scene.name, roles, "a" * _steps(first) + "BCA")


def with_callers(level: str, *, in_full: bool) -> Iterator[Play]:
    """A caller at his level, and fcs at its own: before, between and after his statements."""
    for scene, callers, meanwhile in COUNTERS:
        for caller, act in itertools.product(callers, meanwhile):
            he = Role(caller, level=level)
            yield Play(scene.name, (he, Role(act)), "abAB")
            if in_full:
                yield Play(scene.name, (he, Role(act)), "aBA")
                yield Play(scene.name, (he, Role(act)), "aaBA")
                yield Play(scene.name, (he, Role(act, commits=False)), "abAB")
                yield Play(scene.name, (he._replace(commits=False), Role(act)), "aaBA")


def among_callers(level: str, *, in_full: bool) -> Iterator[Play]:
    """Two callers of one level."""
    for scene, callers, _ in COUNTERS:
        for first, second in itertools.product(callers, repeat=2):
            if first is second:
                continue  # one and the same order cannot be written down twice
            he, she = Role(first, level=level), Role(second, level=level)
            yield Play(scene.name, (he, she), "abaBA")
            if in_full:
                yield Play(scene.name, (he, she), "abAB")
                yield Play(scene.name, (he._replace(commits=False), she), "abaBA")


def _steps(act: Act) -> int:
    return STEPS.get(act.__name__, 1)
