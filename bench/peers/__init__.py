"""Other task queues for Python and Postgres, measured beside fcs in the same run."""

from pathlib import Path
from typing import NamedTuple


class Peer(NamedTuple):
    """One of them: how many tasks it drains, and what has to be known to read its figures."""

    name: str
    folder: str
    drained: int
    settings: str
    keeps: str
    promises: str

    @property
    def path(self) -> Path:
        return Path(__file__).parent / self.folder

    @property
    def requirements(self) -> Path:
        return self.path / "requirements.txt"

    @property
    def version(self) -> str:
        """The one that is pinned."""
        pins = dict(line.split("==") for line in self.requirements.read_text("utf-8").split())
        return pins[self.folder]


PGQUEUER = Peer(
    "PgQueuer",
    "pgqueuer",
    drained=100_000,
    settings="asyncpg and uvloop; batches of 1,000; a pool of 10, one connection where one caller "
    "creates; its own autovacuum settings; nothing limited, nothing unlogged",
    keeps="the row goes with success; a log line for each change stays",
    promises="at least once: a body runs again if its worker falls silent",
)

PROCRASTINATE = Peer(
    "Procrastinate",
    "procrastinate",
    drained=3_000,  # it takes thirty times as long for each
    settings="psycopg in C and uvloop; 30 jobs at once, a pool of 10 that commits by itself and "
    "does not test its connections; finished jobs are kept",
    keeps="the job and a line for each change",
    promises="at most once, unless stalled jobs are retried by a task of your own",
)

PEERS = (PGQUEUER, PROCRASTINATE)
