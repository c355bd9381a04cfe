"""Statements of one transaction sent ahead: Postgres works on one while the next is made ready."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext

from fcs.database.carrier import Carrier, Rows, SyncCarrier
from fcs.database.connect import Connection
from fcs.database.line import SyncConnection


class Ahead(Carrier):
    """For our own connection, in a transaction and a pipeline.

    It waits for no answer and gives none. That a statement failed is raised by one that is sent
    later, or at the end of the pipeline.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db

    async def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        # The next part wants the same statement: it is planned once.
        await self._db.execute(statement, params, prepare=True)
        return []

    def together(self) -> AbstractAsyncContextManager[object]:
        return nullcontext()


class SyncAhead(SyncCarrier):
    """The twin of `Ahead` for code without an event loop."""

    def __init__(self, db: SyncConnection) -> None:
        self._db = db

    def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        self._db.execute(statement, params, prepare=True)
        return []

    def together(self) -> AbstractContextManager[object]:
        return nullcontext()
