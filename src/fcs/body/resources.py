"""The resources of a process: each entered at the first need, all left at the end."""

import asyncio
import contextvars
import logging
from typing import Any, Final

from fcs.body.context import Context
from fcs.registry import Registry, TaskType
from fcs.registry.surroundings import Middleware, Resource

log = logging.getLogger(__name__)

ENTER_WITHIN: Final = 60.0
"""Seconds after which a resource that is not ready is given up, so that no slot waits for ever."""


class Resources:
    """Belongs to one event loop, whose bodies share it. `registry` says what there is."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: dict[str, _Kept] = {}

    @property
    def middleware(self) -> list[Middleware]:
        return self._registry.middleware

    async def give(self, task_type: TaskType, context: Context) -> dict[str, Any]:
        """What a body is given beside its arguments, by the names of its parameters.

        Raises whatever a resource raises that cannot be entered; the next run tries again.
        """
        return {
            name: context if hint is Context else await self._find(hint)
            for name, hint in task_type.injected.items()
        }

    async def close(self) -> None:
        """Leave them all, the youngest first. The resources can be used again afterwards."""
        while self._kept:
            _, kept = self._kept.popitem()
            await kept.leave()

    async def _find(self, hint: Any) -> Any:
        for replaced, value in self._registry.replacements:
            if replaced == hint:
                return value
        resource = self._registry.resource(hint)
        kept = self._kept.get(resource.name)
        if kept is None:
            kept = self._kept[resource.name] = _Kept(resource)
        try:
            # A run that goes away takes nothing from the others that wait.
            return await asyncio.shield(kept.entered)
        except BaseException:
            if kept.has_failed and self._kept.get(resource.name) is kept:
                del self._kept[resource.name]
            raise


class _Kept:
    """One resource, entered and left by one task of its own, as cancel scopes require it."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._leave = asyncio.Event()
        self.entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # In an empty context: it belongs to no run.
        self._task = asyncio.create_task(
            self._keep(), name=f"resource {resource.name}", context=contextvars.Context()
        )

    @property
    def has_failed(self) -> bool:
        return self.entered.done() and (
            self.entered.cancelled() or self.entered.exception() is not None
        )

    async def leave(self) -> None:
        self._leave.set()
        if not self.entered.done():
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _keep(self) -> None:
        manager = self._resource.enter()
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                value = await manager.__aenter__()
        except BaseException as error:  # noqa: BLE001 - whoever needs it is told
            self.entered.set_exception(_as_exception(error, self._resource))
            return
        self.entered.set_result(value)
        try:
            await self._leave.wait()
        finally:
            try:
                await manager.__aexit__(None, None, None)
            except Exception:
                log.exception("resource left with an error: resource=%s", self._resource.name)


def _as_exception(error: BaseException, resource: Resource) -> BaseException:
    """What a future can carry."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"resource {resource.name!r}: {type(error).__name__}: {error}")
