"""Acts on processes and on their wires."""

import signal
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from proof.torture.books import boot_time
from proof.torture.keeper import Place, children, send
from proof.torture.wire import Cut, Healing, Trap, Wire
from proof.torture.world import Struck, World

WIRE_BUSY: Final = "wire"
PAUSED: Final = "paused"

TARGETS: Final = {
    "worker": (
        *("begin", "begin", "begin", "succeed", "succeed", "succeed", "finish", "retry"),
        *("fetch", "beat", "held", "report", "release", "record_late", "hand_back", "dispatch"),
    ),
    "supervisor": ("dispatch", "dispatch", "take_back", "reap", "survey", "bid", "end_worker"),
    "door": ("create", "create_linked", "cancel"),
    "client": ("create", "create", "create_linked", "create_alike", "cancel"),
}
"""Statements after which each kind of process may lose its connection."""

CUTS: Final = (Cut.AFTER, Cut.AFTER, Cut.AFTER, Cut.AFTER, Cut.LATE, Cut.BEFORE)
LATE_MAX: Final = 3.0


def kill(world: World, rng: Random, *, kinds: tuple[str, ...]) -> Struck | None:
    """kill -9."""
    place = _any(world.places(*kinds), rng)
    if place is None or place.process is None:
        return None
    place.process.kill()
    return Struck((place.instance,))


def kill_child(world: World, rng: Random) -> Struck | None:
    """kill -9 of a process in which a body runs, or is to run."""
    place = _any(world.places("worker"), rng)
    if place is None or place.process is None:
        return None
    found = children(place.process.pid, lambda command: "fcs.child " in command)
    if not found:
        return None
    pid = rng.choice(found)
    send(pid, signal.SIGKILL)
    return Struck((place.instance,), pid=pid)


def pause(world: World, rng: Random) -> Struck | None:
    """SIGSTOP, and SIGCONT later."""
    place = _any(world.places(free_of=PAUSED), rng)
    if place is None or place.process is None:
        return None
    process = place.process
    place.busy.add(PAUSED)
    process.pause()

    def resume() -> None:
        place.busy.discard(PAUSED)
        if process.is_alive:
            process.resume()

    return Struck((place.instance,), lasts=_stretch(world, rng), undo=resume)


def leave(world: World, rng: Random) -> Struck | None:
    """SIGTERM."""
    place = _any(world.places(), rng)
    if place is None or place.process is None:
        return None
    place.process.terminate()
    return Struck((place.instance,))


def leave_at_once(world: World, rng: Random) -> Struck | None:
    """SIGTERM twice."""
    struck = leave(world, rng)
    if struck is not None:
        place = next(one for one in world.keeper.places if one.instance == struck.instances[0])
        at = boot_time() + rng.uniform(0.02, 0.5)
        world.later.append((at, partial(_terminate, place, place.instance)))
    return struck


def restart_all(world: World, rng: Random) -> Struck | None:
    """SIGTERM to one after the other, as a deploy does."""
    places = world.places()
    rng.shuffle(places)
    at = boot_time()
    for place in places:
        at += rng.uniform(0.2, 1.0)
        world.later.append((at, partial(_terminate, place, place.instance)))
    return Struck(tuple(place.instance for place in places), lasts=at - boot_time())


def _terminate(place: Place, instance: str) -> None:
    if place.instance == instance and place.is_alive and place.process is not None:
        place.process.terminate()


def reset(world: World, rng: Random) -> Struck | None:
    """RST on every connection of one process."""
    name, _, wire = rng.choice(world.wires())
    wire.reset()
    return Struck((name,))


def silence(world: World, rng: Random) -> Struck | None:
    """Nothing passes a wire any more, and nobody is told."""
    return _cut(world, rng, lambda wire: wire.silence())


def one_way(world: World, rng: Random) -> Struck | None:
    """What is asked arrives and is not answered, or is not asked while answers arrive."""
    asks = rng.random() < 0.5
    return _cut(world, rng, lambda wire: wire.silence(asks=asks, answers=not asks))


def half_open(world: World, rng: Random) -> Struck | None:
    """New connections are let in and nobody answers them."""

    def strike(wire: Wire) -> None:
        wire.shut_door()
        wire.reset()

    return _cut(world, rng, strike)


def slow(world: World, rng: Random) -> Struck | None:
    """Everything takes longer."""
    longest = rng.uniform(0.01, 0.1)
    return _cut(world, rng, lambda wire: wire.slow_down(longest))


def _cut(world: World, rng: Random, strike: Callable[[Wire], None]) -> Struck | None:
    place = _any(world.places(free_of=WIRE_BUSY), rng)
    if place is None:
        return None
    healing = rng.choice([one for one in Healing if world.has_time or one is not Healing.FORGOTTEN])
    place.busy.add(WIRE_BUSY)
    strike(place.wire)

    def heal() -> None:
        place.busy.discard(WIRE_BUSY)
        place.wire.heal(healing)

    return Struck(
        (place.instance,),
        lasts=_stretch(world, rng),
        undo=heal,
        detail={"healing": healing.name},
    )


def cut_at(world: World, rng: Random) -> Struck | None:
    """Set a trap: a connection breaks at a statement. It counts once it has sprung."""
    name, kind, wire = rng.choice(world.wires())
    statement = rng.choice(TARGETS[kind])
    cut = rng.choice(CUTS)

    def sprung() -> None:
        world.sprung(f"cut {cut.name.lower()} send", [name], statement=statement)

    wire.arm(Trap(statement, cut, rng.uniform(0.05, LATE_MAX), sprung))
    return None


def _any(places: list[Place], rng: Random) -> Place | None:
    return rng.choice(places) if places else None


def _stretch(world: World, rng: Random) -> float:
    """Most are short, some longer than any lease."""
    if rng.random() < 0.7:
        return rng.uniform(0.3, min(3.0, world.pause_max))
    return rng.uniform(0.3, world.pause_max)
