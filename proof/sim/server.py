"""The fake Postgres: a server that is up or down, whose answers may be lost, and what it forgets.

Statements arrive one by one. What a node sends may be carried out and never answered, or never
arrive, or be carried out long after the node has given up; the node learns none of that.
"""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from fcs.domain.errors import OnHold
from fcs.domain.facts import QueueRules
from fcs.domain.identity import Place
from fcs.domain.topology import Mode
from proof.sim.database.tables import (
    Act,
    IdentityRow,
    LeadershipRow,
    Tables,
    Transaction,
    World,
)
from proof.sim.kernel import Kernel, Node, Process, Signal, Trap

P = ParamSpec("P")
T = TypeVar("T")

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

ANSWER_WITHIN = 10.0
"""Seconds after which a node takes a silent line for broken."""

FLUSHED_AFTER = 0.6
"""After so many seconds Postgres' own writer has made also a lazy commit last."""

KEPT_FOR = 10.0
"""Seconds for which versions are kept, for a standby that is so far behind."""


class Unavailable(Exception):
    """The database did not answer; nobody knows what became of the statement."""


class Version(NamedTuple):
    """The database as it was from a moment on; `no` counts commits."""

    at: float
    no: int
    is_durable: bool
    tables: Tables


class Trouble:
    """How bad the way to the database is, each as a chance; all nothing while it is calm."""

    def __init__(self) -> None:
        self.unknown = 0.0
        """That a statement ends without an answer."""
        self.slow = 0.0
        """That it takes seconds."""
        self.hint_lost = 0.0
        self.hint_doubled = 0.0
        self.hint_late = 0.0


class Session:
    """A connection of a node."""

    __slots__ = (
        "answer_within",
        "backend",
        "broken",
        "generation",
        "is_closed",
        "is_cut",
        "node",
        "who",
    )

    def __init__(self, node: Node, who: object, generation: int, backend: int) -> None:
        self.node, self.who = node, who
        self.generation, self.backend = generation, backend
        self.broken = Signal(node.kernel)
        """Set once its node can tell that nothing comes any more."""
        self.is_closed = False
        self.is_cut = False
        """Nothing goes through any more, and nobody says so."""
        self.answer_within = ANSWER_WITHIN


class Server:
    """`on_commit` is told of each commit, `on_reborn` when it may know less than before."""

    def __init__(
        self,
        kernel: Kernel,
        *,
        mode: Mode,
        dropped: frozenset[str],
        on_commit: Callable[[Session, Transaction, int], None],
        on_reborn: Callable[[int, bool], None],
        on_fault: Callable[[str], None],
    ) -> None:
        self._kernel = kernel
        self.rng: Random = kernel.rng
        self.dropped = dropped
        self._on_commit, self._on_reborn = on_commit, on_reborn
        self.on_fault = on_fault
        self.trouble = Trouble()
        self.is_up = True
        self.generation = 0
        self.clock_offset = 0.0
        self.latest = NOON
        """The latest moment that its clock has ever told."""
        self.place = Place(1, 1, 1)
        self.started_at = NOON - timedelta(hours=1)
        self.backends: set[int] = set()
        self.sessions: dict[int, Session] = {}
        self.sleeper: Session | None = None
        self.commits = 0
        self._listeners: dict[str, list[tuple[Session, Callable[[str], None]]]] = {}
        self._next_backend = 1
        # In use for a while: a standby that never heard of any node would know of no home.
        identity = IdentityRow(UUID(int=0xDB), self.place, self.started_at)
        tables = Tables(LeadershipRow(NOON), identity, mode=mode)
        self._versions = deque([Version(0.0, 0, True, tables)])
        self._tables = tables
        self.up = Signal(kernel)

    @property
    def tables(self) -> Tables:
        """The database as it is."""
        return self._tables

    def now(self) -> datetime:
        """Its clock."""
        now = NOON + timedelta(seconds=self._kernel.now + self.clock_offset)
        self.latest = max(self.latest, now)
        return now

    def limit(self, *rules: QueueRules) -> None:
        """Lay rules for queues down."""
        self._tables.queues = rules

    # Connections.

    def connect(self, node: Node, who: object) -> Session:
        """A new connection; it breaks if the server is away."""
        session = Session(node, who, self.generation if self.is_up else -1, self._next_backend)
        self._next_backend += 1
        self.backends.add(session.backend)
        self.sessions[session.backend] = session
        node.on_death.append(lambda: self.close(session))
        return session

    def close(self, session: Session) -> None:
        session.is_closed = True
        session.broken.set()
        self.backends.discard(session.backend)
        self.sessions.pop(session.backend, None)
        if self.sleeper is session:
            self.sleeper = None

    def listen(self, session: Session, channel: str, hear: Callable[[str], None]) -> None:
        """Hear of a channel, for as long as the connection lasts."""
        there = [one for one in self._listeners.get(channel, []) if self._reaches(one[0])]
        self._listeners[channel] = [*there, (session, hear)]

    def is_connected(self, session: Session) -> bool:
        """Whether the connection leads anywhere, as far as its node can tell."""
        return self.is_up and session.generation == self.generation and not session.is_closed

    def _reaches(self, session: Session) -> bool:
        return self.is_connected(session) and not session.is_cut

    def fall_asleep(self, session: Session) -> bool:
        """Take the lock of who sleeps, unless somebody has it."""
        if self.sleeper not in (None, session):
            return False
        self.sleeper = session
        return True

    def wake_up(self, session: Session) -> None:
        """Give that lock back."""
        if self.sleeper is session:
            self.sleeper = None

    # Statements.

    async def send(
        self,
        session: Session,
        act: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Send a statement and wait for its answer. Raises `Unavailable`."""
        answer: T = await _Statement(
            self, session, act.__name__, lambda db: act(db, *args, **kwargs)
        )
        return answer

    def carry_out(self, session: Session, name: str, act: Act) -> Any:
        """Carry a statement out at once, and commit."""
        transaction = Transaction(
            self._tables,
            self.now(),
            World(self.place, self.started_at, self.backends, self.sleeper is not None),
            self.rng,
            backend=session.backend,
            dropped=self.dropped,
        )
        transaction.statement = name
        answer = act(transaction)
        if transaction.is_changed:
            self.commits += 1
            self._tables = transaction.tables
            self._keep(transaction.is_durable)
            self._on_commit(session, transaction, self.commits)
        for channel, payload in transaction.hints:
            self._deliver(channel, payload)
        return answer

    def _keep(self, is_durable: bool) -> None:
        now = self._kernel.now
        self._versions.append(Version(now, self.commits, is_durable, self._tables))
        while len(self._versions) > 1 and self._versions[1].at < now - KEPT_FOR:
            self._versions.popleft()

    def _deliver(self, channel: str, payload: str) -> None:
        trouble, random = self.trouble, self.rng.random
        for session, hear in self._listeners.get(channel, ()):
            if not self._reaches(session):
                continue
            if random() < trouble.hint_lost:
                self.on_fault("hint lost")
                continue
            wait = 0.0005 + random() * 0.001
            if random() < trouble.hint_late:
                self.on_fault("hint late")
                wait += random() * 5
            self._kernel.after(wait, self._hear, session, hear, payload)
            if random() < trouble.hint_doubled:
                self.on_fault("hint doubled")
                self._kernel.after(wait + random(), self._hear, session, hear, payload)

    def _hear(self, session: Session, hear: Callable[[str], None], payload: str) -> None:
        node = session.node
        if not node.is_alive or session.is_closed:
            return
        if node.is_paused:
            # The socket keeps it.
            self._kernel.after(0.05, self._hear, session, hear, payload)
        else:
            hear(payload)

    # What may happen to it.

    def crash(self, *, down_for: float) -> None:
        """Stop at once. Lazy commits that nothing durable has followed may be lost."""
        versions = self._versions
        oldest = len(versions) - 1
        while oldest and not versions[oldest].is_durable and not self._is_flushed(oldest):
            oldest -= 1
        self._go_down(self.rng.randint(oldest, len(versions) - 1), is_failover=False)
        self._kernel.after(down_for, self._come_up)

    def _is_flushed(self, index: int) -> bool:
        return self._versions[index].at < self._kernel.now - FLUSHED_AFTER

    def fail_over(self, *, behind: float, down_for: float) -> None:
        """A standby is promoted that has not received the last seconds."""
        until = self._kernel.now - behind
        index = max(
            (no for no, version in enumerate(self._versions) if version.at <= until), default=0
        )
        self._go_down(index, is_failover=True)
        self.place = self.place._replace(timeline=self.place.timeline + 1)
        self._kernel.after(down_for, self._come_up)

    def _go_down(self, index: int, *, is_failover: bool) -> None:
        self.is_up = False
        self.up.clear()
        self.generation += 1
        self.backends.clear()
        self.sleeper = None
        self._listeners.clear()
        for session in self.sessions.values():
            session.broken.set()
        self.sessions.clear()
        version = self._versions[index]
        while self._versions[-1] is not version:
            self._versions.pop()
        self._tables = version.tables
        self._on_reborn(version.no, is_failover)

    def _come_up(self) -> None:
        self.is_up = True
        self.started_at = self.now()
        self.up.set()


class _Statement(Trap[Any]):
    """A statement on its way, and its answer on the way back."""

    __slots__ = ("_act", "_name", "_server", "_session")

    def __init__(self, server: Server, session: Session, name: str, act: Act) -> None:
        self._server, self._session, self._name, self._act = server, session, name, act

    def arm(self, process: Process) -> None:
        server, session = self._server, self._session
        kernel = process.node.kernel
        if not server.is_connected(session):
            kernel.after(0.001, process.step, process.turn, None, Unavailable())
        elif session.is_cut:
            kernel.after(session.answer_within, process.step, process.turn, None, Unavailable())
        else:
            self._send(process, server.trouble, kernel.rng.random)

    def _send(self, process: Process, trouble: Trouble, random: Callable[[], float]) -> None:
        kernel, turn = process.node.kernel, process.turn
        wait = 0.0003 + random() * 0.002
        if trouble.slow and random() < trouble.slow:
            self._server.on_fault("slow statement")
            wait += kernel.rng.expovariate(0.5)
        if not trouble.unknown or random() >= trouble.unknown:
            kernel.after(wait, self._arrive, process, turn)
            if wait > self._session.answer_within:
                kernel.after(self._session.answer_within, process.step, turn, None, Unavailable())
            return
        self._server.on_fault("unknown commit")
        kernel.after(wait, process.step, turn, None, Unavailable())
        fate = random()
        if fate < 0.5:
            kernel.after(wait * random(), self._arrive, None, 0)
        elif fate < 0.75:
            # A backend that is half dead goes on with it.
            kernel.after(random() * 8, self._arrive, None, 0)

    def _arrive(self, process: Process | None, turn: int) -> None:
        server, session = self._server, self._session
        if not server.is_up or session.generation != server.generation:
            if process:
                process.step(turn, None, Unavailable())
            return
        if process and not process.node.is_alive and server.rng.random() < 0.5:
            return
        try:
            answer = server.carry_out(session, self._name, self._act)
        except OnHold as error:
            if process:
                process.step(turn, None, error)
            return
        if process:
            process.step(turn, answer)
