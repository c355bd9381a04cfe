"""A process that hosts a worker, and the HTTP door when it is to listen."""

import asyncio
import os
import socket
import uuid
from collections.abc import Coroutine
from random import SystemRandom
from typing import Any

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
from fcs.domain.topology import Mode, Part
from fcs.node import memory
from fcs.node.aside import aside, tell
from fcs.node.clock import boot_seconds
from fcs.node.door import Door, DoorOptions
from fcs.node.supervise import candidate
from fcs.registry import Registry
from fcs.supervisor import elector
from fcs.supervisor.office import Seat
from fcs.worker import runtime
from fcs.worker.children.environment import clean
from fcs.worker.children.spawn import Recipe
from fcs.worker.runtime import Stop


class WorkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker process is to be. No queues means every queue.

    `app` says where the application is, for child processes to import it; `child_env` names the
    variables that they see beside those that every program needs. `direct` is the way to the
    database around a pooler. With `elect` the process may lead as well.
    """

    app: str
    child_env: list[str]
    id: WorkerId
    slots: int
    queues: list[str]
    door: DoorOptions | None = None
    drain_timeout: float = 30.0
    direct: str | None = None
    elect: bool = False


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
    beside = Beside(url, settings, options, worker)
    worker.on_mode = beside.follow
    # As long as the worker takes tasks; whoever leads gives that up before draining.
    watching = group.create_task(_until(stop.drain, beside.run()))
    await worker.run(stop, drain_timeout=options.drain_timeout)
    watching.cancel()
    if door:
        await door.close()


class Beside:
    """What a worker's process does for the whole cluster: lead it, or hand out its share."""

    def __init__(
        self, url: str, settings: Settings, options: WorkOptions, worker: runtime.Worker
    ) -> None:
        self._url, self._settings, self._options = url, settings, options
        self._worker = worker
        self._is_wanted = asyncio.Event()
        self._is_unwanted = asyncio.Event()
        if options.elect:
            self._is_wanted.set()

    def follow(self, mode: Mode) -> None:
        """One that may not lead has something to do in hash mode alone."""
        is_wanted = self._options.elect or mode is Mode.HASH
        self._change(self._is_wanted, is_wanted)
        self._change(self._is_unwanted, not is_wanted)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._is_wanted.wait()
            await _until(self._is_unwanted, self._supervise())

    async def _supervise(self) -> None:
        worker, loop = self._worker, asyncio.get_running_loop()
        seat = Seat(
            self._options.id,
            worker.incarnation,
            account=worker.account,
            hint=lambda ids: tell(loop, worker.hint, ids),
            lease=self._settings.lease,
        )
        worker.on_freed = seat.freed
        part = Part.ELECTABLE_WORKER if self._options.elect else Part.WORKER

        def supervise() -> Coroutine[Any, Any, None]:
            return elector.run(
                self._url,
                self._settings,
                candidate(part),
                rng=SystemRandom(),
                at=boot_seconds,
                direct=self._options.direct,
                seat=seat,
            )

        await aside(supervise, name="supervisor")

    @staticmethod
    def _change(event: asyncio.Event, is_so: bool) -> None:
        if is_so:
            event.set()
        else:
            event.clear()


async def _until(asked: asyncio.Event, part: Coroutine[Any, Any, None]) -> None:
    """Run a part until it ends, or somebody asks."""
    waiting = [asyncio.ensure_future(part), asyncio.ensure_future(asked.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting[0].done():
            waiting[0].result()
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)


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
