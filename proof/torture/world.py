"""What the nemesis can lay hands on, and what one of its acts leaves behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from proof.torture.keeper import Keeper, Place
from proof.torture.servers import Servers
from proof.torture.wire import Board, Wire

STATEMENT_TIMEOUT = "3s"
"""The nemesis waits for nobody for longer."""


@dataclass(frozen=True)
class Struck:
    """An act that succeeded. With `lasts` it goes on for so many seconds, until `undo`."""

    instances: tuple[str, ...] = ()
    lasts: float = 0.0
    undo: Callable[[], None] | None = None
    pid: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class Sprung(Protocol):
    """What is called when a trap has sprung."""

    def __call__(self, kind: str, instances: Sequence[str], **detail: Any) -> None: ...


@dataclass
class World:
    """The cluster from outside: its processes, their wires, the server, and a way around all."""

    keeper: Keeper
    servers: Servers
    board: Board
    clients: dict[str, Wire]
    clock: str
    """The definition of `fcs.now()` as fcs has it."""
    sprung: Sprung
    pause_max: float = 15.0
    """Seconds for which a process or a wire stands still at the most."""
    has_time: bool = True
    """Whether there is time for what is noticed only after more than a minute."""
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What is to be done at moments of boot time."""

    def places(self, *kinds: str, free_of: str | None = None) -> list[Place]:
        """Those who are alive, and to whom that is not being done already."""
        found = self.keeper.alive(*(kinds or ("supervisor", "worker", "door")))
        return [place for place in found if free_of is None or free_of not in place.busy]

    def wires(self) -> list[tuple[str, str, Wire]]:
        """Names, kinds and wires of all that reach the database."""
        own = [(place.instance, place.kind, place.wire) for place in self.places()]
        return [*own, *((name, "client", wire) for name, wire in self.clients.items())]

    def every_wire(self) -> list[Wire]:
        """Also those of places where nobody is just now."""
        return [*(place.wire for place in self.keeper.places), *self.clients.values()]

    def connect(self) -> psycopg.Connection[Any]:
        """Around all wires."""
        return psycopg.connect(
            self.servers.url(),
            autocommit=True,
            connect_timeout=2,
            application_name="nemesis",
            options=f"-c statement_timeout={STATEMENT_TIMEOUT} -c lock_timeout=300ms",
        )

    def execute(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """Do something in the database. Raises `psycopg.Error` where that cannot be."""
        with self.connect() as db:
            cursor = db.execute(statement.encode(), params or None)
            return cursor.fetchall() if cursor.description else []
