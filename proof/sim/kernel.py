"""The kernel: a heap of events in virtual time, and processes that wait for them.

There is no event loop of Python's. Coroutines are driven by hand and chance comes from one seed,
so the same seed gives the same run, event by event.
"""

from collections.abc import Callable, Coroutine, Generator
from heapq import heappop, heappush
from random import Random
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

EVENTS_MAX = 2_000_000
"""A run with more events than this goes round in a circle."""


class Kernel:
    """Virtual time, in seconds since the beginning."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._no = 0

    def after(self, seconds: float, act: Callable[..., None], *args: Any) -> None:
        """Have something done so many seconds from now."""
        self._no += 1
        heappush(self._heap, (self.now + seconds, self._no, act, args))

    def run(self, until: float, *, is_done: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until a moment, or until `is_done`, which is asked after each event;
        whether it was."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, act, args = heappop(heap)
            self.events += 1
            assert self.events < EVENTS_MAX, "this run goes round in a circle"
            act(*args)
            if is_done():
                return True
        self.now = until
        return False


class Clock:
    """The local clock of a node: it drifts, it may be set, and it goes on while the node sleeps."""

    def __init__(self, kernel: Kernel, *, offset: float = 0.0, rate: float = 1.0) -> None:
        self._kernel = kernel
        self._offset = offset
        self.rate = rate

    def at(self) -> float:
        """The local moment, in seconds."""
        return self._offset + self._kernel.now * self.rate

    def jump(self, seconds: float) -> None:
        self._offset += seconds


class Trap(Generic[T]):
    """What a process waits for."""

    def arm(self, process: "Process") -> None:
        raise NotImplementedError

    def __await__(self) -> Generator["Trap[T]", Any, T]:
        return cast(T, (yield self))


class Node:
    """What runs, pauses and dies as a whole: an operating system's process."""

    def __init__(self, kernel: Kernel, name: str, clock: Clock) -> None:
        self.kernel, self.name, self.clock = kernel, name, clock
        self.is_alive = True
        self.is_paused = False
        self.pauses = 0
        """How often it was paused so far."""
        self.on_death: list[Callable[[], None]] = []
        self._processes: dict[Process, None] = {}
        self._kept: list[tuple[Any, ...]] = []

    def at(self) -> float:
        return self.clock.at()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "Process":
        """Start a process of this node."""
        process = Process(self, coroutine)
        self._processes[process] = None
        self.kernel.after(0, process.step, 0)
        return process

    def forget(self, process: "Process") -> None:
        """It is over."""
        self._processes.pop(process, None)

    def pause(self) -> None:
        """As SIGSTOP: nothing moves, the clock goes on."""
        self.is_paused = True
        self.pauses += 1

    def resume(self) -> None:
        """As SIGCONT: what should have happened meanwhile happens now."""
        self.is_paused = False
        kept, self._kept = self._kept, []
        for act, *args in kept:
            self.kernel.after(0, act, *args)

    def keep(self, act: Callable[..., None], *args: Any) -> None:
        """Have something wait for the end of a pause."""
        self._kept.append((act, *args))

    def die(self) -> None:
        """As SIGKILL."""
        if self.is_alive:
            self.is_alive = False
            for act in self.on_death:
                act()
            for process in list(self._processes):
                process.cancel()


class Process:
    """A coroutine of a node. Whatever would wake it names the turn in which it waits, so that
    what comes too late wakes nobody."""

    __slots__ = ("_coroutine", "_is_at_work", "ended", "is_over", "node", "turn")

    def __init__(self, node: Node, coroutine: Coroutine[Any, Any, None]) -> None:
        self.node = node
        self._coroutine = coroutine
        self.turn = 0
        self.is_over = False
        self._is_at_work = False
        self.ended = Signal(node.kernel)

    def step(self, turn: int, value: Any = None, error: Exception | None = None) -> None:
        """Go on to the next thing to wait for."""
        if turn != self.turn or self.is_over:
            return
        node = self.node
        if not node.is_alive:
            return
        if node.is_paused:
            node.keep(self.step, turn, value, error)
            return
        self.turn += 1
        self._is_at_work = True
        try:
            trap = self._coroutine.send(value) if error is None else self._coroutine.throw(error)
        except StopIteration:
            self._end()
        else:
            if not self.is_over:
                trap.arm(self)
        finally:
            self._is_at_work = False

    def cancel(self) -> None:
        """Let it go no further."""
        if not self.is_over:
            self._end()
            if not self._is_at_work:
                self._coroutine.close()

    def _end(self) -> None:
        self.is_over = True
        self.node.forget(self)
        self.ended.set()


class Sleep(Trap[None]):
    """Wait for so many seconds of the local clock."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def arm(self, process: Process) -> None:
        node = process.node
        seconds = max(0.0, self._seconds) / node.clock.rate
        node.kernel.after(seconds, process.step, process.turn)


class Signal:
    """As `asyncio.Event`."""

    __slots__ = ("_followers", "_kernel", "_waiting", "is_set")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waiting: list[tuple[Process, int]] = []
        self._followers: list[Signal] = []
        self.is_set = False

    def set(self) -> None:
        self.is_set = True
        for process, turn in self._waiting:
            self._kernel.after(0, process.step, turn, True)
        self._waiting.clear()
        for follower in self._followers:
            follower.set()

    def clear(self) -> None:
        self.is_set = False

    def add(self, process: Process) -> None:
        self._waiting.append((process, process.turn))

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, or for so long; whether it was set."""
        return self.is_set or await _Waiting(self, seconds)

    @staticmethod
    def any_of(*signals: "Signal") -> "Signal":
        """One that is set as soon as any of these is."""
        one = Signal(signals[0]._kernel)  # noqa: SLF001 - of its own kind
        for signal in signals:
            signal._followers.append(one)  # noqa: SLF001
            one.is_set |= signal.is_set
        return one


class _Waiting(Trap[bool]):
    __slots__ = ("_seconds", "_signal")

    def __init__(self, signal: Signal, seconds: float | None) -> None:
        self._signal, self._seconds = signal, seconds

    def arm(self, process: Process) -> None:
        self._signal.add(process)
        if self._seconds is not None:
            seconds = max(0.0, self._seconds) / process.node.clock.rate
            process.node.kernel.after(seconds, process.step, process.turn, False)


async def within(node: Node, seconds: float, coroutine: Coroutine[Any, Any, None]) -> bool:
    """Let something take so long and no longer; whether it came to its end."""
    process = node.spawn(coroutine)
    if not await process.ended.wait(seconds):
        process.cancel()
        return False
    return True
