"""A process that hosts a worker, and the HTTP door when it is to listen."""

import asyncio
import os
import socket
import uuid
from random import SystemRandom

import msgspec

from fcs import __version__
from fcs.client.ids import new_run_ids
from fcs.database.connect import Connection
from fcs.database.line import Line
from fcs.database.migrate import check_schema
from fcs.database.workers import Registration
from fcs.domain.errors import first_of
from fcs.domain.ids import Incarnation, WorkerId
from fcs.domain.settings import Settings
from fcs.node import memory
from fcs.node.clock import boot_seconds
from fcs.node.door import Door, DoorOptions
from fcs.registry import Registry
from fcs.worker import runtime
from fcs.worker.children.environment import clean
from fcs.worker.children.spawn import Recipe
from fcs.worker.runtime import Stop


class WorkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker process is to be. No queues means every queue.

    `app` says where the application is, for child processes to import it; `child_env` names the
    variables that they see beside those that every program needs. `direct` is the way to the
    database around a pooler.
    """

    app: str
    child_env: list[str]
    id: WorkerId
    slots: int
    queues: list[str]
    door: DoorOptions | None = None
    drain_timeout: float = 30.0
    direct: str | None = None


async def work(
    url: str, registry: Registry, settings: Settings, options: WorkOptions, stop: Stop
) -> None:
    """Work until asked to stop.

    Raises `SchemaOutdated`, `SchemaNewer`, `WorkerIdTaken`, `Fenced`, or `ListenRefused`.
    """
    await _require_schema(url)
    memory.settle()
    try:
        async with asyncio.TaskGroup() as group:
            await _work(group, url, registry, settings, options, stop)
    except ExceptionGroup as errors:
        raise first_of(errors) from None


async def _work(
    group: asyncio.TaskGroup,
    url: str,
    registry: Registry,
    settings: Settings,
    options: WorkOptions,
    stop: Stop,
) -> None:
    door = Door(url, registry, options.door) if options.door else None
    address = await door.open(group) if door else None
    worker = await runtime.start(
        url,
        _registration(registry, options, address),
        registry,
        settings,
        rng=SystemRandom(),
        at=boot_seconds,
        new_run_ids=new_run_ids,
        recipe=_recipe(settings, options),
        direct=options.direct,
    )
    if door:
        door.worker = worker
    await worker.run(stop, drain_timeout=options.drain_timeout)
    if door:
        await door.close()


async def _require_schema(url: str) -> None:
    """Look at the schema before anything else. A database that cannot be reached is an error now,
    of the address perhaps; one that goes away between two words is waited for."""
    line, met = Line(url, part="check", rng=SystemRandom()), False

    async def check(db: Connection) -> None:
        nonlocal met
        met = True
        await check_schema(db)

    try:
        await line.carry_out(check, give_up=lambda: not met)
    finally:
        await line.close()


def _recipe(settings: Settings, options: WorkOptions) -> Recipe:
    return Recipe(
        app=options.app,
        environment=clean(os.environ, options.child_env),
        runs_max=settings.child_runs_max,
        growth_max=settings.child_growth_mib * 1024 * 1024,
        kill_grace=settings.kill_grace,
    )


def _registration(registry: Registry, options: WorkOptions, listen: str | None) -> Registration:
    return Registration(
        id=options.id,
        incarnation=Incarnation(uuid.uuid4()),
        slots_total=options.slots,
        queues=options.queues,
        types=registry.names(),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        listen=listen,
    )
