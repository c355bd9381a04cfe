"""Running a verb that serves: logs, event loop, signals, the first contact, and the end."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from time import monotonic
from typing import NoReturn

from fcs import __version__
from fcs.cli import logs
from fcs.cli.common import Common
from fcs.cli.database import loop_factory
from fcs.cli.errors import INTERRUPTED, report
from fcs.database.connect import connect, describe
from fcs.database.migrate import check_schema
from fcs.domain.backoff import full_jitter
from fcs.domain.errors import DatabaseUnavailable
from fcs.node.signals import stop_on_signals
from fcs.worker.runtime import Stop

log = logging.getLogger(__name__)

FIRST_CONTACT = 10.0
"""Seconds for which a database that cannot be reached is tried at the start."""

LAST_MOMENT = 0.5
"""Seconds that threads get to end once their pool was closed."""


def serve(common: Common, url: str, part: Callable[[Stop], Awaitable[None]]) -> int:
    """Run a part until a signal asks it to stop; return the exit code.

    Does not return if threads still run the bodies of tasks: they cannot be stopped, and the
    process goes without them.
    """
    logs.set_up(common)
    aside = ThreadPoolExecutor(thread_name_prefix="fcs-aside")
    runner = asyncio.Runner(loop_factory=_quick_loop_factory())
    try:
        code = runner.run(_run(url, part, aside))
    except BaseException as error:  # noqa: BLE001 - it decides the exit code
        code = report(error, common)
    aside.shutdown(wait=False, cancel_futures=True)
    if _threads_linger():
        _leave(code)
    runner.close()
    return code


async def _run(url: str, part: Callable[[Stop], Awaitable[None]], aside: ThreadPoolExecutor) -> int:
    stop = stop_on_signals()
    asyncio.get_running_loop().set_default_executor(aside)
    log.info("fcs %s: database=%s pid=%d", __version__, describe(url), os.getpid())
    contact = asyncio.create_task(_make_contact(url))
    asked = asyncio.create_task(stop.drain.wait())
    await asyncio.wait([contact, asked], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if contact.done():
        contact.result()
        await part(stop)
    else:
        contact.cancel()
    return INTERRUPTED if stop.now.is_set() else 0


async def _make_contact(url: str) -> None:
    """Wait for the database, but not for ever: at the start its address may be wrong."""
    give_up_at = asyncio.get_running_loop().time() + FIRST_CONTACT
    tries = 0
    while True:
        try:
            async with await connect(url, part="check") as db:
                await check_schema(db)
            return
        except DatabaseUnavailable as error:
            tries += 1
            if asyncio.get_running_loop().time() >= give_up_at:
                raise
            if tries == 1:
                log.warning("trying for %g s: %s", FIRST_CONTACT, error)
            await asyncio.sleep(full_jitter(tries, SystemRandom(), first=0.5, cap=2.0))


def _quick_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return loop_factory()
    return uvloop.new_event_loop


def _threads_linger() -> bool:
    """Whether threads are left for which the interpreter would wait; idle ones end by now."""
    others = set(threading.enumerate()) - {threading.main_thread()}
    waited_for = [thread for thread in others if not thread.daemon]
    give_up_at = monotonic() + LAST_MOMENT
    for thread in waited_for:
        thread.join(max(0.0, give_up_at - monotonic()))
    return any(thread.is_alive() for thread in waited_for)


def _leave(code: int) -> NoReturn:
    log.warning("bodies that cannot be stopped still run in threads; leaving without them")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
