"""How a verb asks the database: one connection, one question, one answer."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fcs.cli.common import Common
from fcs.cli.settings import database_url
from fcs.database.connect import Connection, connect
from fcs.database.migrate import check_schema

T = TypeVar("T")


def ask(common: Common, question: Callable[[Connection], Awaitable[T]]) -> T:
    """Put a question to the database that was named, if it has the schema of this fcs."""
    url = database_url(common, os.environ)

    async def put() -> T:
        async with await connect(url, part="cli") as db:
            await check_schema(db)
            return await question(db)

    return run_async(put())


def run_async(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The plain event loop; on Windows the one that the driver can live with."""
    return asyncio.SelectorEventLoop if sys.platform == "win32" else None
