"""Keeps the processes of the cluster: whichever ends is started again, under another name."""

import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from tests.system.harness import Process

from proof.ledger import ROOT
from proof.torture.bodies import CHILD_ENV, INSTANCE, LEDGER
from proof.torture.books import Book, boot_time
from proof.torture.wire import Board, Wire

SLOTS: Final = 8
PAUSE_MAX: Final = 1.0
"""Seconds until a dead process is started again, at the most."""

APP: Final = "proof.torture.bodies:app"
DOORS_QUEUE: Final = "doors"
"""Workers that are there for their HTTP door only serve a queue that nobody uses."""


@dataclass
class Place:
    """A place of the cluster: what runs there, by which wire it reaches the database."""

    name: str
    kind: str
    wire: Wire
    options: Sequence[str] = ()
    process: Process | None = None
    worker: UUID | None = None
    count: int = 0
    start_at: float = 0.0
    is_seen_off: bool = True
    """Its end has been written down, or there was none yet."""
    busy: set[str] = field(default_factory=set)
    """What is being done to it just now."""

    @property
    def instance(self) -> str:
        """The name of the process that is there, or was last."""
        return f"{self.name}.{self.count}"

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.is_alive


class Keeper:
    """Starts what is to run in each place, and starts it again."""

    def __init__(
        self, folder: Path, book: Book, rng: Random, *, settings: Mapping[str, str]
    ) -> None:
        self._folder, self._book, self._rng, self._settings = folder, book, rng, settings
        (folder / "logs").mkdir()
        self.places: list[Place] = []
        self.is_restarting = True

    def add(self, place: Place) -> None:
        self.places.append(place)

    def look(self) -> None:
        """Write down who has ended, and start others in their places."""
        for place in self.places:
            if not place.is_seen_off and not place.is_alive:
                self._see_off(place)
            if place.is_seen_off and self.is_restarting and boot_time() >= place.start_at:
                self._start(place)

    def alive(self, *kinds: str) -> list[Place]:
        return [place for place in self.places if place.kind in kinds and place.is_alive]

    def kill_all(self) -> None:
        """End everything, without a trace in the book: the run is over."""
        for place in self.places:
            if place.process is not None:
                place.process.kill()

    def terminate_all(self) -> None:
        """Ask everybody to leave."""
        self.is_restarting = False
        for place in self.places:
            if place.is_alive and place.process is not None:
                place.process.terminate()

    @property
    def all_gone(self) -> bool:
        return not any(place.is_alive for place in self.places)

    def _see_off(self, place: Place) -> None:
        assert place.process is not None
        place.is_seen_off = True
        place.start_at = boot_time() + self._rng.uniform(0, PAUSE_MAX)
        self._book.write(
            "exited", instance=place.instance, code=place.process.exit_code(within=1.0)
        )

    def _start(self, place: Place) -> None:
        place.count += 1
        place.is_seen_off = False
        is_worker = place.kind != "supervisor"
        place.worker = UUID(int=self._rng.getrandbits(128), version=4) if is_worker else None
        arguments = self._arguments(place)
        log = self._folder / "logs" / f"{place.instance}.log"
        place.process = Process(arguments, log, self._environment(place))
        self._book.write(
            "started",
            instance=place.instance,
            worker=str(place.worker) if place.worker else None,
            slots=SLOTS,
            pid=place.process.pid,
        )

    def _arguments(self, place: Place) -> list[str]:
        if place.kind == "supervisor":
            return ["supervise", "--database", place.wire.url]
        given = {"--database": place.wire.url, "--id": str(place.worker), "--slots": str(SLOTS)}
        named = [word for pair in given.items() for word in pair]
        return ["work", *named, "--app", APP, "--child-env", CHILD_ENV, *place.options]

    def _environment(self, place: Place) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("FCS_")}
        return plain | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            LEDGER: str(self._folder / "ledger"),
            INSTANCE: place.instance,
            **self._settings,
        }


def cluster(board: Board, rng: Random) -> list[Place]:
    """Two supervisors, two workers that may lead, two that may not, two doors."""

    def place(name: str, kind: str, *options: str) -> Place:
        return Place(name, kind, board.wire(rng), options)

    return [
        *(place(f"supervisor-{number}", "supervisor") for number in (1, 2)),
        *(place(f"elector-{number}", "worker", "--elect") for number in (1, 2)),
        *(place(f"worker-{number}", "worker") for number in (1, 2)),
        *(
            place(f"door-{number}", "door", "--listen", free_address(rng), "--queue", DOORS_QUEUE)
            for number in (1, 2)
        ),
    ]


def address_of(place: Place) -> str:
    """Where a door answers."""
    return place.options[place.options.index("--listen") + 1]


def free_address(rng: Random) -> str:
    """An address of this machine that nobody listens at, and that no connection will be given."""
    while True:
        port = rng.randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return f"127.0.0.1:{port}"


def children(pid: int, wanted: Callable[[str], bool]) -> list[int]:
    """The processes that were started by this one, by their command lines."""
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in pids if wanted(_command(int(child)))]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to whoever may be gone by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
