"""The requests about the cluster as a whole: how it is led, and that it be led otherwise."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fcs.database import topology
from fcs.database.connect import Connection
from fcs.database.topology import ClusterReport
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode
from fcs.http.body import decode, read_json
from fcs.http.store import Store


class ModeDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the cluster is to be led. The strategy is by which of the workers with a free slot a
    leader chooses one; left out, it stays.

    In mode `hash` nobody leads, and no queue can be limited.
    """

    mode: Mode
    strategy: Strategy | None = None


class Cluster:
    def __init__(self, *, store: Store, body_bytes_max: int) -> None:
        self._store = store
        self._body_bytes_max = body_bytes_max

    async def find(self, _: Request) -> Response:
        return _json(await self._store.ask(topology.look))

    async def change(self, request: Request) -> Response:
        """Answers with how it is led now; whoever is missing for that is among the problems."""
        body = await read_json(request, bytes_max=self._body_bytes_max)
        asked = decode(body, ModeDocument)

        async def change(db: Connection) -> ClusterReport:
            await topology.change(db, mode=asked.mode, strategy=asked.strategy)
            return await topology.look(db)

        return _json(await self._store.ask(change))


def _json(report: ClusterReport) -> Response:
    return Response(msgspec.json.encode(report), media_type="application/json")
