"""Lines to the fake server: as `fcs.database.line.Line`, and the look home by a new one."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from fcs.database.home import LOOK_AGAIN, verdict_on
from fcs.database.identity import Looked
from fcs.domain.backoff import PAUSE_MAX, full_jitter
from fcs.domain.errors import OnHold
from fcs.domain.identity import Place
from proof.sim.database import identity
from proof.sim.database.tables import Transaction
from proof.sim.kernel import Node, Sleep
from proof.sim.server import ANSWER_WITHIN, Server, Session, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

PASSING = (Unavailable, OnHold)
"""What says something about this moment, not about the act: as `fcs.database.line.is_passing`."""


class Line:
    """One connection at a time, made when needed; acts may be sent twice."""

    def __init__(
        self,
        server: Server,
        node: Node,
        who: object,
        *,
        pause_max: float = PAUSE_MAX,
        answer_within: float = ANSWER_WITHIN,
        on_dialled: Callable[[Session], Awaitable[None]] | None = None,
    ) -> None:
        self._server, self._node, self._who = server, node, who
        self._pause_max, self._answer_within = pause_max, answer_within
        self._on_dialled = on_dialled
        self._session: Session | None = None
        self.asked_at: float | None = None
        """Since when an answer has been waited for."""

    async def carry_out(
        self,
        act: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Carry an act out, and keep at it while the database is away: mirrors `Line.carry_out`."""
        return await self.until(lambda session: self._server.send(session, act, *args, **kwargs))

    async def until(self, act: Callable[[Session], Awaitable[T]]) -> T:
        """The same for more than one statement."""
        tries, self.asked_at = 0, self._node.at()
        while True:
            try:
                session = await self._dial()
                answer = await act(session)
                self.asked_at = None
                return answer
            except PASSING:
                self.close()
                tries += 1
            await Sleep(full_jitter(tries, self._server.rng, cap=self._pause_max))

    def close(self) -> None:
        if self._session is not None:
            self._server.close(self._session)
            self._session = None

    async def _dial(self) -> Session:
        if self._session is None:
            session = self._server.connect(self._node, self._who)
            session.answer_within = self._answer_within
            self._session = session
            if self._on_dialled is not None:
                await self._on_dialled(session)
        return self._session


class Home:
    """The database as one part of a process remembers it: mirrors `fcs.database.home.Home`."""

    def __init__(
        self, server: Server, *, testify: Callable[[Session], Awaitable[None]] | None = None
    ) -> None:
        self._server = server
        self._testify = testify
        self._is_minded = "home" not in server.dropped
        self._id: UUID | None = None
        self._latest: Place | None = None
        self._told = ""

    @property
    def id(self) -> UUID | None:
        return self._id

    async def enter(self, session: Session) -> None:
        """Return once tasks may be handed out and begun."""
        while not await self._is_let_in(session):
            if not self._is_minded:
                return
            await Sleep(LOOK_AGAIN)
        self._told = ""

    async def take_leave(self, session: Session) -> None:
        """Testify, where the last word would be said to a database that has forgotten some."""
        seen = await self._server.send(session, identity.look)
        is_another = self._id not in (None, seen.id) or not verdict_on(seen).is_home
        if self._testify is not None and is_another:
            await self._testify(session)

    async def _is_let_in(self, session: Session) -> bool:
        seen = await self._server.send(session, identity.look)
        found = self._primary(seen)
        if not (verdict := verdict_on(seen)).is_home:
            if seen.on_hold_since is None:
                await self._server.send(session, identity.hold, seen, why=verdict.why)
                return await self._is_let_in(session)
            await self._wait_for_adoption(session, seen)
            return False
        if not seen.is_same_server:
            await self._server.send(session, identity.record, seen)
            return await self._is_let_in(session)
        if not seen.is_open:
            return False
        if self._id not in (None, seen.id) and self._testify:
            await self._testify(session)
        self._id, self._latest = seen.id, found
        return True

    async def _wait_for_adoption(self, session: Session, seen: Looked) -> None:
        if self._told != seen.on_hold_why:
            self._told = seen.on_hold_why
            if self._testify:
                await self._testify(session)

    def _primary(self, seen: Looked) -> Place:
        assert seen.found is not None, "no node is ever led to a standby here"
        if self._latest and seen.found.timeline < self._latest.timeline:
            raise Unavailable
        return seen.found
