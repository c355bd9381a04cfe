"""Creating tasks from the command line: what is in doubt is settled, or told."""

from collections.abc import Awaitable, Callable, Collection
from random import SystemRandom
from time import monotonic
from typing import Final, TypeVar

from fcs.database.connect import Connection
from fcs.database.line import Line
from fcs.database.migrate import check_schema
from fcs.domain.errors import InDoubt
from fcs.domain.ids import TaskId

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds for which an act is sent again whose answer was lost."""


async def create_surely(
    url: str, act: Callable[[Connection], Awaitable[T]], ids: Collection[TaskId]
) -> T:
    """Carry out an act that creates tasks of these ids, and may be sent twice.

    Where nobody can be reached at all that is said at once. Once there was a connection the answer
    matters: whoever asked for the same anew would have two of each. So it is sought for a while,
    and then the error says which tasks to look for. `ids` may be filled in by the act.
    """
    give_up_at = monotonic() + PATIENCE
    is_connected = False

    async def checked(db: Connection) -> T:
        nonlocal is_connected
        is_connected = True
        await check_schema(db)
        return await act(db)

    line = Line(url, part="cli", rng=SystemRandom(), keys_only=False)
    try:
        return await line.carry_out(
            checked, give_up=lambda: not is_connected or monotonic() >= give_up_at
        )
    except InDoubt as error:
        if not ids:
            raise
        raise _which(ids) from error
    finally:
        await line.close()


def _which(ids: Collection[TaskId]) -> InDoubt:
    several, some = len(ids) > 1, " ".join(str(id) for id in ids)
    return InDoubt(
        "the database went away; it is not known whether"
        f" {'tasks' if several else 'task'} {some} {'were' if several else 'was'} created",
        hint=f"Look when it is back:  fcs task show {next(iter(ids))}",
    )
