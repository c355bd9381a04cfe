"""The requests about queues."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from fcs.database import queues, topology
from fcs.database.connect import Connection
from fcs.database.queues import QueueView
from fcs.domain.errors import InvalidInput
from fcs.domain.queues import LIMIT_MAX, check_limits
from fcs.http.body import decode, read_json, read_json_or_nothing
from fcs.http.errors import NoSuchResource
from fcs.http.schedule_wire import PauseDocument
from fcs.http.store import Store
from fcs.registry import check_queue

_ENCODER = msgspec.json.Encoder()

Count = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
Rate = Annotated[
    float | str, Meta(description="Starts in a second, or text such as 50/s, 10/m, 100/h, 5/d.")
]


class LimitsDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a queue is to be limited to. `null` takes a limit away; what is left out stays.

    `running_max` tasks may be dispatched or running at once. `rate` may start in a second, and
    `burst` together after a while without any. The limits that begin with `key_` are those of
    each limit key.
    """

    running_max: Count | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    burst: Count | UnsetType | None = UNSET
    key_running_max: Count | UnsetType | None = UNSET
    key_rate: Rate | UnsetType | None = UNSET
    key_burst: Count | UnsetType | None = UNSET


class DepthDocument(msgspec.Struct):
    """How many tasks of a queue are due and wait."""

    value: int


class Queues:
    """Every name is a queue, whether anybody has used it or not."""

    def __init__(self, *, store: Store, body_bytes_max: int) -> None:
        self._store = store
        self._body_bytes_max = body_bytes_max

    async def list_all(self, _: Request) -> Response:
        async def look(db: Connection) -> list[QueueView]:
            return await queues.look(db, await queues.names(db))

        return _json(await self._store.ask(look))

    async def find(self, request: Request) -> Response:
        return await self._act(request, _nothing)

    async def change(self, request: Request) -> Response:
        body = await read_json(request, bytes_max=self._body_bytes_max)
        asked = msgspec.structs.asdict(decode(body, LimitsDocument))
        given = {name: value for name, value in asked.items() if value is not UNSET}
        changes = check_limits(given)
        return await self._act(request, lambda db, name: topology.set_limits(db, name, changes))

    async def pause(self, request: Request) -> Response:
        body = await read_json_or_nothing(request, bytes_max=self._body_bytes_max)
        asked = decode(body, PauseDocument) if body else PauseDocument()
        return await self._act(
            request, lambda db, name: queues.pause(db, name, by=asked.by, why=asked.why)
        )

    async def resume(self, request: Request) -> Response:
        return await self._act(request, queues.resume)

    async def depth(self, request: Request) -> Response:
        name = _name_of(request)
        return _json(DepthDocument(await self._store.ask(lambda db: queues.depth(db, name))))

    async def _act(
        self, request: Request, act: Callable[[Connection, str], Awaitable[object]]
    ) -> Response:
        """Do something about a queue, and show it as it is afterwards."""
        name = _name_of(request)

        async def carry_out(db: Connection) -> list[QueueView]:
            await act(db, name)
            return await queues.look(db, [name])

        [view] = await self._store.ask(carry_out)
        return _json(view)


async def _nothing(_: Connection, __: str) -> None:
    pass


def _name_of(request: Request) -> str:
    try:
        return check_queue(request.path_params["name"])
    except InvalidInput as error:
        raise NoSuchResource(f"There is no such queue. {error}", hint=error.hint) from None


def _json(answer: Any) -> Response:
    return Response(_ENCODER.encode(answer), media_type="application/json")
