"""Running what is due, until nothing due is left."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

from fcs.client.app import App
from fcs.database import testing
from fcs.database.connect import connect_sync
from fcs.domain.errors import WaitTimeout
from fcs.testing.ran import Ran
from fcs.testing.serve import serving

LOOK_AGAIN = 0.01


class StillDue(WaitTimeout):
    """Tasks were due and not done with when the time to drain was over."""


async def drain(app: App, *, timeout: float = 30.0) -> list[Ran[Any]]:
    """Run the tasks of the app's types that are due on its database, and those that they create.

    A real supervisor and a real worker do it, in this process; isolated types run in it as well.
    Schedules that are due fire.
    Returns the runs in the order of their ends: of a task that is tried again there are several.
    What is scheduled for later, or waits for its next attempt, stays: move a frozen clock.

    Raises `StillDue` when something due is left after `timeout` seconds.
    """
    give_up_at = monotonic() + timeout
    url, registry = app.store.url(), app.registry
    with connect_sync(url, part="testing") as db:

        def look() -> list[str]:
            return testing.left_due(db, registry.names(), list(registry.schedules), limit=10)

        async with serving(url, registry) as ran:
            while left := await asyncio.to_thread(look):
                if monotonic() >= give_up_at:
                    raise _still_due(left, timeout)
                await asyncio.sleep(LOOK_AGAIN)
    return ran


def drain_sync(app: App, *, timeout: float = 30.0) -> list[Ran[Any]]:
    """The twin of `drain` for code without an event loop; the bodies run in other threads."""
    with ThreadPoolExecutor(1, thread_name_prefix="fcs-testing") as beside:
        return beside.submit(asyncio.run, drain(app, timeout=timeout)).result()


def _still_due(left: list[str], timeout: float) -> StillDue:
    return StillDue(
        f"after {timeout:g} s there is still something due: {', '.join(left)}",
        hint="A queue may be paused or at its limit, or a body does not end: see `fcs why ID`.",
    )
