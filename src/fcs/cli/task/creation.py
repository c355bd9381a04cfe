"""Creating a task from the command line."""

import os
from collections.abc import Sequence
from difflib import get_close_matches

from msgspec.structs import replace

from fcs.cli.common import Common
from fcs.cli.database import run_async
from fcs.cli.output import say
from fcs.cli.settings import database_url
from fcs.cli.surely import create_surely
from fcs.cli.task.arguments import check_arguments, read_arguments
from fcs.cli.task.ids import resolve
from fcs.cli.task.options import Wish
from fcs.client.ids import new_task_id
from fcs.database import creation, insights
from fcs.database.connect import Connection
from fcs.domain.errors import InvalidInput, UnknownType
from fcs.domain.ids import TaskId
from fcs.domain.keys import check_key
from fcs.domain.needs import check_needs
from fcs.domain.task import NewTask, OnInterrupt, WhenNeedsFail
from fcs.registry import Registry, check_timeout
from fcs.registry.application import load

_OPTIONS = ["queue", "priority", "max_attempts", "timeout", "on_interrupt"]


def create(common: Common, wish: Wish) -> TaskId:
    """Create a task; it is durable when this returns.

    Its arguments are checked here if the application knows its type. A type that only a live
    worker knows is taken as it is; what nobody knows is refused.
    """
    if wish.key is not None:
        check_key(wish.key)
    if wish.at is not None and wish.in_ is not None:
        raise InvalidInput("--at and --in were both given", hint="Say one of the two.")
    return run_async(draft(common, wish).carry_out(database_url(common, os.environ)))


def draft(common: Common, wish: Wish) -> "Creation":
    """Check what was asked for, as far as that goes without the database."""
    args = read_arguments(wish.arg, wish.json)
    return Creation(common, wish, load(wish.app).registry, args)


class Creation:
    def __init__(self, common: Common, wish: Wish, registry: Registry, args: bytes) -> None:
        self._common, self._wish, self._registry = common, wish, registry
        self._id = new_task_id()
        self._args = args
        self._usual = NewTask(self._id, wish.ty, args)
        if wish.ty in registry:
            task_type = registry.get(wish.ty)
            self._args = check_arguments(args, task_type, wish.arg)
            self._usual = replace(
                self._usual,
                limit_key=task_type.limit_key_of(self._args),
                **{name: getattr(task_type, name) for name in _OPTIONS},
            )

    async def carry_out(self, url: str) -> TaskId:
        """Write the task down. Once there was a connection, an unknown answer is settled."""
        return await create_surely(url, self._write, [self._id])

    async def _write(self, db: Connection) -> TaskId:
        created = await creation.add(db, [await self.new_task(db)])
        if created.is_replay:
            key = self._wish.key
            say(self._common, f"note: key {key!r} was used before: this is the task of then")
        return created.ids[0]

    async def new_task(self, db: Connection) -> NewTask:
        """The task to be. Raises `UnknownType` for a type that nobody knows."""
        if self._wish.ty not in self._registry:
            await self._require_worker(db)
        return self._new([await resolve(db, text) for text in self._wish.after])

    def _new(self, needs: Sequence[TaskId]) -> NewTask:
        """The task as it was wished for; what was not said is as its type has it."""
        wish = self._wish
        own = {name: getattr(wish, name) for name in _OPTIONS if getattr(wish, name) is not None}
        if wish.limit_key is not None:
            own["limit_key"] = wish.limit_key
        if wish.on_interrupt is not None:
            own["on_interrupt"] = OnInterrupt(wish.on_interrupt)
        if wish.when_needs_fail is not None:
            own["when_needs_fail"] = WhenNeedsFail(wish.when_needs_fail)
        if wish.timeout is not None:
            own["timeout"] = check_timeout(wish.timeout)
        return replace(
            self._usual,
            args=self._args,
            scheduled_at=wish.at,
            delay=wish.in_,
            key=wish.key,
            after=check_needs(needs),
            **own,
        )

    async def _require_worker(self, db: Connection) -> None:
        ty, place = self._wish.ty, self._wish.app
        known = await insights.known_types(db)
        if ty in known:
            say(
                self._common,
                f"note: {place} does not know {ty!r}, a live worker does: the arguments are not"
                " checked; say --app module:app, or set FCS_APP, to have that done",
            )
            return
        near = get_close_matches(ty[:200], sorted(known | set(self._registry.names())), n=1)
        raise UnknownType(
            f"no task type {ty[:200]!r} is known, neither to {place} nor to a live worker",
            hint=f"Did you mean {near[0]!r}?"
            if near
            else "Name its application with --app module:app, or start a worker that has it.",
        )
