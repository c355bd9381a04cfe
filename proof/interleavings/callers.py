"""Acts in a transaction of somebody else's, at the level of isolation that is his choice.

He writes down an order, which is when a stricter level takes its picture of the database, and
creates tasks for it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

from tests.database.scene import new, task_id

from fcs.database import creation
from fcs.domain.task import NewTask, OnInterrupt
from proof.interleavings import acts as a
from proof.interleavings import scenes as s
from proof.interleavings.play import Act, Db

LEVELS: Final = ("read committed", "repeatable read", "serializable")


async def _order(db: Db, no: int, *requests: Sequence[NewTask]) -> AsyncIterator[Any]:
    await db.execute("insert into proof.orders (id) values (%s)", [no])
    yield None
    created = []
    for request in requests:
        created.append(await creation.add(db, request))
        yield created


async def order(db: Db) -> AsyncIterator[Any]:
    async for answer in _order(db, 1, [new(1)]):
        yield answer


async def order_twice(db: Db) -> AsyncIterator[Any]:
    """The second task needs the first, which is not committed yet."""
    async for answer in _order(db, 2, [new(4)], [new(5, after=(task_id(4),))]):
        yield answer


async def order_with_key(db: Db) -> AsyncIterator[Any]:
    async for answer in _order(db, 3, [new(1, key="order 1")]):
        yield answer


async def order_again_with_key(db: Db) -> AsyncIterator[Any]:
    async for answer in _order(db, 4, [new(2, key="order 1")]):
        yield answer


async def order_reusing_key(db: Db) -> AsyncIterator[Any]:
    other = new(3, key="order 1", max_attempts=2, on_interrupt=OnInterrupt.RETRY)
    async for answer in _order(db, 5, [other]):
        yield answer


async def order_after(db: Db) -> AsyncIterator[Any]:
    async for answer in _order(db, 6, [new(3, after=(a.ID,))]):
        yield answer


class Counter(NamedTuple):
    """Where callers meet each other, and what fcs does meanwhile."""

    scene: s.Scene
    callers: Sequence[Act]
    meanwhile: Sequence[Act]


def _scene(name: str) -> s.Scene:
    return next(scene for scene in s.SCENES if scene.name == name)


_KEYED: Final = [order_with_key, order_again_with_key, order_reusing_key]
_TIED: Final = [order_after, order_twice]
_KEEPING: Final = [
    a.create_with_key, a.create_again_with_key, a.reuse_key, a.delete, a.forget_keys,
]  # fmt: skip

COUNTERS: Final[Sequence[Counter]] = [
    Counter(_scene("nobody asked"), [order, *_KEYED], [a.create, *_KEEPING[:3]]),
    Counter(_scene("asked"), [order, *_KEYED], _KEEPING),
    Counter(_scene("asked long ago"), _KEYED, _KEEPING),
    Counter(_scene("needed and pending"), _TIED, [a.dispatch, a.cancel, a.delete, a.mark_needed]),
    Counter(_scene("newly needed"), _TIED, [a.succeed, a.fail, a.reap, a.mark_needed]),
    Counter(_scene("needed has succeeded"), _TIED, [a.settle, a.delete, a.prune]),
    Counter(_scene("failed"), _TIED, [a.delete, a.prune, a.mark_needed, a.settle]),
]
