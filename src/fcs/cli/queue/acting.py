"""Doing something about a queue, and showing it as it is afterwards."""

from collections.abc import Awaitable, Callable

from fcs.cli.common import Common
from fcs.cli.database import ask
from fcs.cli.output import emit
from fcs.database import queues
from fcs.database.connect import Connection
from fcs.database.queues import QueueView


def act(
    common: Common,
    name: str,
    deed: Callable[[Connection, str], Awaitable[object]],
    words: Callable[[QueueView], str],
) -> None:
    async def carry_out(db: Connection) -> list[QueueView]:
        await deed(db, name)
        return await queues.look(db, [name])

    [view] = ask(common, carry_out)
    emit(common, view, lambda: words(view))


async def nothing(_: Connection, __: str) -> None:
    """Only look."""
