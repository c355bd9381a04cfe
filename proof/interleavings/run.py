"""Playing a repertoire on a database, at each default of isolation that it may have."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import psycopg
from psycopg import sql
from tests.database.scene import NOON, add_workers, freeze

from fcs.database.connect import connect
from proof.interleavings import repertoire, state
from proof.interleavings.callers import LEVELS
from proof.interleavings.judge import Rehearsals, looks_again
from proof.interleavings.play import Actor, Company, Db, Played
from proof.interleavings.repertoire import Play
from proof.interleavings.scenes import SCENES, WRITERS
from proof.summary import Summary

CAST: Final = 3

TELLING: Final = ("dispatched", "running with retries", "unlimited")
"""Scenes in which a stricter level would be noticed soon."""

# A circle is found at once; the actors wait for each other and for nobody else.
_AT_ONCE: Final = b"set deadlock_timeout = '20ms'"


@dataclass
class Tally:
    """What was played, and what was wrong."""

    schedules: int = 0
    waits: int = 0
    refused: int = 0
    """Callers who were told that their transaction cannot be put in line with others."""
    faults: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    began_at: float = field(default_factory=monotonic)

    @property
    def summary(self) -> Summary:
        return Summary(
            stage="interleavings",
            chances=self.schedules,
            of_what="schedules",
            violations=len(self.faults),
            seconds=monotonic() - self.began_at,
            figures={"levels": len(self.levels), "waits": self.waits, "refused": self.refused},
        )


class Theatre:
    """Companies on one database, and the scenes that they play."""

    def __init__(self, house: Company, guests: Sequence[Actor], scenes: Mapping[str, str]) -> None:
        self._house, self._guests = house, guests
        self._rehearsals = Rehearsals(house, scenes)

    async def play(self, plays: Iterable[Play], tally: Tally, level: str) -> None:
        for play in plays:
            played, fault = await self.judge(play)
            tally.schedules += 1
            tally.waits += played.waited
            tally.refused += any(
                getattr(answer, "error", "") == "SerializationFailure" for answer in played.answers
            )
            if fault:
                tally.faults.append(f"{play} where the default is {level}\n    {fault}")

    async def judge(
        self, play: Play, under: AbstractContextManager[object] | None = None
    ) -> tuple[Played, str | None]:
        """What came of a play, and what is wrong with that. `under` holds for the play alone, and
        not for the rehearsals that it is held against."""
        await self._rehearsals.set_scene(play.scene)
        with under or nullcontext():
            played = await self._cast(play).play(play.roles, play.script)
        tables = await self._rehearsals.look(looks_again(play.roles))
        return played, await self._rehearsals.fault(play.scene, play.roles, played, tables)

    def _cast(self, play: Play) -> Company:
        """Callers bring connections of their own."""
        ours, theirs = iter(self._house.actors), iter(self._guests)
        actors = [next(theirs if role.level else ours) for role in play.roles]
        return Company(actors, self._house.observer)


@asynccontextmanager
async def theatre(url: str) -> AsyncIterator[Theatre]:
    """Connections to a database with empty tables, on which `state.set_up` has been at work."""
    async with AsyncExitStack() as stack:
        observer = await stack.enter_async_context(await connect(url, part="observer"))
        actors: list[Actor] = []
        for no in range(CAST):
            db = await stack.enter_async_context(await connect(url, part=str(no), keys_only=True))
            actors.append(Actor(db))
        guests: list[Actor] = []
        for _ in range(2):
            guest = await psycopg.AsyncConnection.connect(url, autocommit=True)
            guests.append(Actor(await stack.enter_async_context(guest)))
        for db in (observer, *(actor.db for actor in (*actors, *guests))):
            await freeze(db, NOON)
            await db.execute(_AT_ONCE)
        # Setting a scene is no act: no trigger shall add to it.
        await observer.execute("set session_replication_role = replica")
        house, empty = Company(actors, observer), await state.scene(observer)
        yield Theatre(house, guests, await _scenes(house, empty))
        await state.set_scene(observer, empty)


async def _scenes(house: Company, empty: str) -> dict[str, str]:
    """Each scene as it is in the tables, made by the statements that lead to it."""
    db: Db = house.actors[0].db
    found = {}
    for scene in SCENES:
        await state.set_scene(house.observer, empty)
        async with db.transaction():
            await add_workers(db, 7, 8)
            await scene.sets(db)
        found[scene.name] = await state.scene(house.observer)
    return found


def set_default(url: str, level: str) -> None:
    """Let every new session of a database begin its transactions at this level by default."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    alter = sql.SQL("alter database {} set default_transaction_isolation = {}")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(alter.format(sql.Identifier(str(name)), sql.Literal(level)))


async def play_at_every_level(url: str, tally: Tally, *, in_full: bool) -> None:
    """Play the repertoire under each default, callers at the level of the default."""
    for level in LEVELS:
        set_default(url, level)
        tally.levels.append(level)
        async with theatre(url) as stage:
            await stage.play(plays(level, in_full=in_full), tally, level)


def plays(level: str, *, in_full: bool) -> Iterator[Play]:
    """What is played where this is the default. Fewer where it is not the usual one: fcs' own
    sessions must not know the difference."""
    is_usual = level == LEVELS[0]
    for scene in SCENES:
        if in_full or is_usual or scene.name in TELLING:
            acts = scene.acts if is_usual and in_full else scene.leading
            yield from repertoire.pairs(scene.name, acts)
        if in_full:
            yield from repertoire.trios(scene)
        if is_usual and (in_full or scene.leading is WRITERS):
            yield from repertoire.undone_pairs(scene.name, scene.leading)
    yield from repertoire.with_callers(level, in_full=in_full)
    yield from repertoire.among_callers(level, in_full=in_full)
