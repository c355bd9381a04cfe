"""Transactions on several connections, step by step in a chosen order, and who waits for whom.

After the manner of Postgres' isolation tester: a step that has to wait is left waiting, and the
script goes on with the next one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection

from fcs.domain.errors import FcsError

Db = AsyncConnection[Any]
Act = Callable[[Db], AsyncIterator[Any]]
"""What happens in one transaction. It pauses at each `yield`; what it yields last is its answer."""

PATIENCE: Final = 30.0
"""Seconds after which a play counts as stuck. Postgres itself ends a circle in a moment."""

_WHO_WAITS = "select pid from unnest(%s::int[]) as pid where pg_blocking_pids(pid) && %s::int[]"


class Role(NamedTuple):
    """An act, how its transaction begins, and whether it commits."""

    act: Act
    commits: bool = True
    level: str | None = None
    """Of isolation; `None` is the session's default."""

    @property
    def name(self) -> str:
        return self.act.__name__


@dataclass(frozen=True)
class Failed:
    """The act raised this; its transaction was rolled back."""

    error: str


@dataclass(frozen=True)
class Played:
    """What each act answered, and whether anybody had to wait."""

    answers: tuple[Any, ...]
    waited: bool


class Actor:
    """Carries out one role after another on a connection, each step when it is told to."""

    def __init__(self, db: Db) -> None:
        self.db = db
        self.pid = db.info.backend_pid
        self.is_busy = False

    def enter(self, role: Role) -> "asyncio.Task[Any]":
        """Take up a role; nothing happens before the first cue."""
        self._cues: asyncio.Queue[bool] = asyncio.Queue()
        self._goes_on = self._is_through = False
        return asyncio.create_task(self._carry_out(role))

    def cue(self, *, to_the_end: bool) -> None:
        """Go one step on, or through all that are left and out of the transaction.

        Whoever has failed is out of it already.
        """
        if not self._is_through:
            self.is_busy = True
            self._cues.put_nowait(to_the_end)

    async def _carry_out(self, role: Role) -> Any:
        answer: Any = None
        await self._next()
        try:
            await self.db.execute(_begin(role))
            async for said in role.act(self.db):
                answer = said
                await self._next()
            while not self._goes_on:
                await self._next()
            await self.db.execute(b"commit" if role.commits else b"rollback")
        except (FcsError, psycopg.Error) as error:
            answer = Failed(type(error).__name__)
            await self.db.execute(b"rollback")
        finally:
            self.is_busy, self._is_through = False, True
        return answer

    async def _next(self) -> None:
        if self._goes_on:
            return
        if self._cues.empty():
            self.is_busy = False
        self._goes_on = await self._cues.get()


def _begin(role: Role) -> bytes:
    return f"begin isolation level {role.level}".encode() if role.level else b"begin"


class Company:
    """Some actors, and an observer who sees which of them waits for another."""

    def __init__(self, actors: Sequence[Actor], observer: Db) -> None:
        self.actors, self.observer = actors, observer
        self._pids = [actor.pid for actor in actors]

    async def play(self, roles: Sequence[Role], script: str) -> Played:
        """Carry out the steps of a script: "a" is a step of the first role, "A" the rest of it.

        Whoever is left without an end goes to it afterwards, in the order of the roles.
        """
        cast = self.actors[: len(roles)]
        under_way = [actor.enter(role) for actor, role in zip(cast, roles, strict=True)]
        await asyncio.sleep(0)
        waited = False
        for cue in script:
            cast["abc".index(cue.lower())].cue(to_the_end=cue.isupper())
            waited |= await self._come_to_rest()
        for actor in cast:
            actor.cue(to_the_end=True)
        async with asyncio.timeout(PATIENCE):
            return Played(tuple(await asyncio.gather(*under_way)), waited)

    async def _come_to_rest(self) -> bool:
        """Until each actor awaits a cue, or another's end; whether the latter is so."""
        while True:
            await asyncio.sleep(0)
            busy = [actor.pid for actor in self.actors if actor.is_busy]
            if not busy:
                return False
            cursor = await self.observer.execute(_WHO_WAITS, [busy, self._pids])
            waiting = await cursor.fetchall()
            if len(waiting) == len(busy) == sum(actor.is_busy for actor in self.actors):
                return True
