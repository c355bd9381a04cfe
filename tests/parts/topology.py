"""What the tests of topologies share: the mode, who leads, workers that hand out to themselves."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.parts.stage import CALM, Hired, count, sharing, until, working

from fcs import App
from fcs.database import leadership
from fcs.database.connect import Connection
from fcs.domain.settings import Settings

QUICK = Settings(
    beat_interval=0.1, lease=1.0, leader_lease=1.0, survey_interval=0.1, rescan_interval=0.3
)


async def switch(db: Connection, mode: str) -> None:
    await db.execute("update fcs.cluster set mode = %s::fcs.mode", [mode])
    await db.execute(
        "select pg_notify('fcs_candidates', 'mode'), pg_notify('fcs_supervisor', 'workers')"
    )


async def leads(db: Connection) -> leadership.Look:
    """Wait until somebody leads."""

    async def found() -> leadership.Look | None:
        seen = await leadership.look(db)
        return None if seen.lease.is_vacant else seen

    return await until(found)


async def succeeded(db: Connection, number: int) -> None:
    async def all_of_them() -> bool:
        query = "select count(*) from fcs.tasks where status = 'succeeded'"
        return await count(db, query) == number

    await until(all_of_them)


@asynccontextmanager
async def crew(
    url: str, app: App, number: int, settings: Settings = CALM, *, slots: int = 4
) -> AsyncIterator[list[Hired]]:
    """Workers that hand out to themselves."""
    async with AsyncExitStack() as stack:
        hired = []
        for seed in range(number):
            one = await stack.enter_async_context(
                working(url, app.registry, settings=settings, slots=slots)
            )
            await stack.enter_async_context(sharing(url, one, settings, seed=seed))
            hired.append(one)
        yield hired
