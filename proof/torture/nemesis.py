"""The nemesis: one act after the other, by weight and by seed, each written into its book.

The seed decides which acts come in which order, and what chance has to do with them. When exactly
they fall is decided by the machine as well, so two runs of one seed are alike and not the same.
"""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple

import psycopg

from proof.torture import blows, havoc
from proof.torture.books import Book, boot_time
from proof.torture.world import Struck, World

LOOK_AGAIN: Final = 0.02
STARVED_AFTER: Final = 1.0
"""Seconds that a short sleep may take: beyond that, nobody here gets his turn in time."""

LASTING_MAX: Final = 5
"""So many acts that last may go on at once: the cluster is to live."""


class Fault(NamedTuple):
    """An entry of the menu."""

    kind: str
    weight: float
    strike: Callable[[World, Random], Struck | None]


MENU: Final[Sequence[Fault]] = (
    Fault("kill", 2.5, partial(blows.kill, kinds=("worker",))),
    Fault("kill", 1.5, partial(blows.kill, kinds=("supervisor",))),
    Fault("kill", 0.7, partial(blows.kill, kinds=("door",))),
    Fault("kill child", 3.0, blows.kill_child),
    Fault("pause", 4.0, blows.pause),
    Fault("leave", 1.5, blows.leave),
    Fault("leave at once", 0.8, blows.leave_at_once),
    Fault("leave", 0.2, blows.restart_all),
    Fault("reset", 5.0, blows.reset),
    Fault("silence", 2.5, blows.silence),
    Fault("one way", 2.5, blows.one_way),
    Fault("half open", 1.5, blows.half_open),
    Fault("slow", 2.0, blows.slow),
    Fault("cut", 60.0, blows.cut_at),
    Fault("server stop", 2.0, havoc.stop_server),
    Fault("failover", 0.7, havoc.fail_over),
    Fault("backend kill", 1.5, havoc.kill_backend),
    Fault("sessions ended", 12.0, havoc.end_sessions),
    Fault("lock", 2.5, havoc.lock),
    Fault("no connections", 0.7, havoc.use_up_connections),
    Fault("usurp", 4.0, havoc.usurp),
    Fault("mode", 2.0, havoc.switch_mode),
    Fault("clock", 1.5, havoc.set_clock),
    Fault("nonsense", 5.0, havoc.talk_nonsense),
)


class Undo(NamedTuple):
    """An act that lasts, and how it ends."""

    at: float
    act: int
    undo: Callable[[], None]


class Nemesis:
    """Strikes at a world until it is told to stop."""

    def __init__(self, world: World, book: Book, rng: Random, *, pause: float) -> None:
        self._world, self._book, self._rng, self._pause = world, book, rng, pause
        self._numbers = count(1)
        self._lasting: list[Undo] = []
        self._looked_at = boot_time()
        self._counting = threading.Lock()
        self.faults: Counter[str] = Counter()
        world.sprung = self.sprung

    def sprung(self, kind: str, instances: Sequence[str], **detail: Any) -> None:
        """A trap has sprung; told from the thread of the wires."""
        self._note(kind, instances, boot_time(), None, detail)

    def run(self, until: float, *, say: Callable[[str], None]) -> None:
        """Strike until a moment of boot time; then everything is undone."""
        next_at, said_at = boot_time(), boot_time()
        while (now := boot_time()) < until:
            self.tend()
            if now >= next_at:
                self._strike()
                next_at = boot_time() + self._rng.uniform(0, 2 * self._pause)
            if now - said_at >= 10.0:
                said_at = now
                say(f"{until - now:4.0f} s left, {self.faults.total():,} faults")
            time.sleep(LOOK_AGAIN)
        self.undo_all()

    def tend(self) -> None:
        """Undo what has lasted long enough, start who has ended, see whether we starve."""
        self._mind_starvation()
        self._world.keeper.look()
        now = boot_time()
        while self._lasting and self._lasting[0].at <= now:
            self._undo(heapq.heappop(self._lasting))
        due = [entry for entry in self._world.later if entry[0] <= now]
        for entry in due:
            self._world.later.remove(entry)
            entry[1]()

    def undo_all(self) -> None:
        """Let everything go on as if nothing had been."""
        while self._lasting:
            self._undo(heapq.heappop(self._lasting))
        self._world.later.clear()
        for wire in self._world.every_wire():
            wire.arm(None)
            wire.heal()
        self._looked_at = boot_time()

    def _strike(self) -> None:
        fault = self._rng.choices(MENU, [fault.weight for fault in MENU])[0]
        # Drawn before anything else: however an act comes out, the next ones are the same.
        own = Random(self._rng.getrandbits(64))
        at = boot_time()
        if len(self._lasting) >= LASTING_MAX and fault.strike not in CHEAP:
            return
        try:
            struck = fault.strike(self._world, own)
        except psycopg.Error as error:
            # The database is away, or somebody holds what the act needs.
            self._book.write("missed", kind=fault.kind, reason=str(error))
        else:
            if struck is not None:
                self._strike_down(fault.kind, struck, at)
        # What an act took is not the machine's fault.
        self._looked_at = boot_time()

    def _strike_down(self, kind: str, struck: Struck, at: float) -> None:
        act = self._note(kind, struck.instances, at, struck.pid, struck.detail)
        if struck.undo is None:
            self._book.write("end", act=act)
        else:
            heapq.heappush(self._lasting, Undo(boot_time() + struck.lasts, act, struck.undo))

    def _undo(self, lasting: Undo) -> None:
        try:
            lasting.undo()
        except psycopg.Error:
            # The clock cannot be set right while the database is away: soon.
            heapq.heappush(self._lasting, lasting._replace(at=boot_time() + 0.5))
            time.sleep(LOOK_AGAIN)
            return
        self._book.write("end", act=lasting.act)
        self._looked_at = boot_time()

    def _note(
        self,
        kind: str,
        instances: Sequence[str],
        at: float,
        pid: int | None,
        detail: Mapping[str, Any],
    ) -> int:
        with self._counting:
            act = next(self._numbers)
            self.faults[kind] += 1
        self._book.write(
            "act", act=act, kind=kind, instances=list(instances), at=at, pid=pid, **detail
        )
        return act

    def _mind_starvation(self) -> None:
        now = boot_time()
        if now - self._looked_at > STARVED_AFTER:
            # Not a fault of the menu, but an excuse of the same kind.
            with self._counting:
                act = next(self._numbers)
            self._book.write(
                "act", act=act, kind="starved", instances=[], at=self._looked_at, pid=None
            )
            self._book.write("end", act=act)
        self._looked_at = now


CHEAP: Final = frozenset({blows.cut_at, havoc.end_sessions, havoc.talk_nonsense, blows.reset})
