"""The verdict on a play: whether it ended as if its transactions had come one after the other."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from proof.interleavings import state
from proof.interleavings.acts import delete_by_hand, prune_by_hand, settle_all
from proof.interleavings.play import Act, Company, Failed, Played, Role

SERIALIZATION: Final = Failed("SerializationFailure")
"""What Postgres says at a stricter level: nothing was done, and it may be done again."""

PASSES: Final = frozenset({"reap", "mark_needed", "settle", "forget_keys"})
"""Who does not wait for what others hold, but passes it by, answers nothing, and looks again."""

LOOKS_AGAIN: Final = frozenset({"mark_needed", "settle"})
"""What is left over then is seen to by the next one; the ends are compared after that."""

STANDS_IN: Final[Mapping[str, Act]] = {
    "delete": delete_by_hand,
    "prune": prune_by_hand,
}
"""Who creates a task that needs others touches none of their rows, so that his transaction holds
nobody up. What crosses it is to him as if somebody had removed the needed task by hand."""

BY_NEED: Final = frozenset({"create_after", "order_after"})


class End(NamedTuple):
    """What each act answered, and what is in the tables afterwards."""

    answers: tuple[Any, ...]
    tables: str


class Rehearsals:
    """Acts that come one after the other always end alike: it is enough to try it once."""

    def __init__(self, company: Company, scenes: Mapping[str, str]) -> None:
        self._company, self._scenes = company, scenes
        self._ends: dict[tuple[str, ...], End] = {}

    async def set_scene(self, scene: str) -> None:
        await state.set_scene(self._company.observer, self._scenes[scene])

    async def end(self, scene: str, acts: Sequence[Act], *, settles: bool) -> End:
        """How these acts end in this order."""
        key = (scene, str(settles), *(act.__name__ for act in acts))
        if key not in self._ends:
            await self.set_scene(scene)
            answers: list[Any] = []
            for act in acts:
                answers += (await self._company.play([Role(act)], "A")).answers
            self._ends[key] = End(tuple(answers), await self.look(settles))
        return self._ends[key]

    async def look(self, settles: bool) -> str:
        """What is left in the tables, once all is settled if that is asked for."""
        if settles:
            await self._company.play([Role(settle_all)], "A")
        return await state.look(self._company.observer)

    async def fault(
        self, scene: str, roles: Sequence[Role], played: Played, tables: str
    ) -> str | None:
        """What is wrong with the end of a play; `None` if some order explains it."""
        tried = []
        for order in _orders(roles, played.answers):
            acts = [act for _, act in order]
            end = await self.end(scene, acts, settles=looks_again(roles))
            seen = tuple(played.answers[role] for role, _ in order)
            if end == (seen, tables):
                return None
            names = ", ".join(act.__name__ for _, act in order)
            tried.append(f"as {names or 'nobody'}: {_difference(End(seen, tables), end)}")
        return "\n    ".join([f"answers {played.answers}", *tried])


def looks_again(roles: Sequence[Role]) -> bool:
    """Whether somebody in a play leaves to the next look what he could not see."""
    return any(role.name in LOOKS_AGAIN for role in roles)


def _orders(roles: Sequence[Role], answers: Sequence[Any]) -> Iterator[Sequence[tuple[int, Act]]]:
    """The orders that may explain an end: of all who committed, and did not pass by."""
    done: list[tuple[int, Act]] = []
    doubtful: list[tuple[int, Act]] = []
    for no, (role, answer) in enumerate(zip(roles, answers, strict=True)):
        if not role.commits or (role.level and answer == SERIALIZATION):
            continue
        passed = role.name in PASSES and answer is None
        (doubtful if passed else done).append((no, role.act))
    for count in range(len(doubtful), -1, -1):
        for some in itertools.combinations(doubtful, count):
            yield from itertools.permutations([*done, *some])
    if any(role.name in BY_NEED for role in roles):
        crossed = [(no, STANDS_IN.get(act.__name__, act)) for no, act in done]
        if crossed != done:
            yield from itertools.permutations(crossed)


def _difference(seen: End, end: End) -> str:
    if seen.answers != end.answers:
        return f"the answers would be {end.answers}"
    here, there = json.loads(seen.tables), json.loads(end.tables)
    return "; ".join(
        f"{table} holds {_apart(here[table], there[table])}"
        for table in here
        if here[table] != there[table]
    )


def _apart(here: Any, there: Any) -> str:
    """Two lists of rows, without what is the same in both."""
    if here and there and len(here) == len(there):
        pairs = zip(here, there, strict=True)
        apart = [
            {name: (one[name], other[name]) for name in one if one[name] != other[name]}
            for one, other in pairs
        ]
        return f"{apart} (here, there)"
    return f"{here}, there {there}"
