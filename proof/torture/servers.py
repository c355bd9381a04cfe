"""The database's server, and in some tortures a standby that every commit waits for."""

import shutil
from pathlib import Path
from typing import Final

from bench.pair import STANDBY, copy, promote, wait_for
from fcs.embedded import Postgres

SETTINGS: Final = {
    "max_connections": "90",
    # A standby that has lost its primary asks for it again at once: commits wait for it.
    "wal_retrieve_retry_interval": "200ms",
}


class Servers:
    """`primary` is where everything leads. Folders of servers that are gone are removed."""

    def __init__(self, folder: Path, *, has_standby: bool) -> None:
        self._folder, self._has_standby = folder, has_standby
        self._count = 0
        self.primary = self._new()
        self.standby: Postgres | None = None

    def start(self) -> None:
        self.primary.start()
        self.attach()

    def attach(self) -> None:
        """Copy the primary, if there is to be a standby; from now on commits wait for it."""
        if not self._has_standby or self.standby is not None:
            return
        standby = self._new()
        try:
            copy(self.primary, standby)
        except AssertionError:
            # There was no connection left, perhaps. Another time.
            shutil.rmtree(standby.data_dir)
            return
        standby.start()
        wait_for(self.primary, STANDBY)
        self.standby = standby

    def fail_over(self) -> None:
        """Kill the primary as a power failure does, and promote its standby."""
        assert self.standby is not None
        lost, self.primary, self.standby = self.primary, self.standby, None
        lost.crash()
        promote(self.primary)
        lost.stop("immediate")
        shutil.rmtree(lost.data_dir)

    def stop(self) -> None:
        """Stop all of them, and keep what the last primary has said."""
        for server in (self.standby, self.primary):
            if server is not None:
                server.stop("immediate")
        log = self.primary.data_dir / "postgres.log"
        if log.exists():
            shutil.copy(log, self._folder / "postgres.txt")
        for folder in self._folder.glob("server-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def url(self) -> str:
        return self.primary.url()

    def _new(self) -> Postgres:
        self._count += 1
        return Postgres(self._folder / f"server-{self._count}", settings=SETTINGS)
