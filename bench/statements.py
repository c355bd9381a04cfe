"""Which parts of fcs send statements, as the log of Postgres tells."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bench.stage import Stage
from fcs.database.connect import Connection, connect

# As `log_line_prefix` has it below; what follows is the text, over as many lines as it has.
_STATEMENT = re.compile(r"^fcs (.*?)\|LOG:  (?:statement|execute .*?): ", re.MULTILINE)


class Statements:
    """What connections that are made from now on send, by their part: "supervisor", "heartbeat"."""

    def __init__(self, stage: Stage) -> None:
        self._log = stage.server.data_dir / "postgres.log"
        self._from = 0

    def start(self) -> None:
        """Count from here."""
        self._from = self._log.stat().st_size

    def count(self) -> Counter[str]:
        """How many since the start."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            return Counter(_STATEMENT.findall(log.read().decode("utf-8", "replace")))


@asynccontextmanager
async def logged(stage: Stage, url: str) -> AsyncIterator[Statements]:
    """Let Postgres log every statement that is sent to one database."""
    name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    async with await connect(stage.server.url(), part="bench") as db:
        await db.execute(sql.SQL("alter database {} set log_statement = 'all'").format(name))
        await db.execute("alter system set log_line_prefix = '%a|'")
        await _reload(db)
        try:
            yield Statements(stage)
        finally:
            await db.execute("alter system reset log_line_prefix")
            await _reload(db)


async def _reload(db: Connection) -> None:
    await db.execute("select pg_reload_conf()")
