"""Two servers, of which one is the standby of the other."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import psycopg

from fcs.embedded import Postgres
from fcs.embedded.launch import dismiss, launch

STANDBY = "fcs_standby"
"""The name by which the standby is known to the primary."""


class Pair:
    """A primary and its standby, in folders of their own below `folder`.

    With `synchronous` commits wait for the standby. `settings` are those of both.
    """

    def __init__(
        self, folder: Path, *, synchronous: bool, settings: Mapping[str, str] | None = None
    ) -> None:
        self._settings = dict(settings or {})
        self._synchronous = synchronous
        self.primary = Postgres(folder / "primary", settings=self._settings)
        self.standby = Postgres(folder / "standby", settings=self._settings)
        self._stopped: list[int] = []

    def __enter__(self) -> Self:
        try:
            self.primary.start()
            copy(self.primary, self.standby)
            self.standby.start()
            if self._synchronous:
                wait_for(self.primary, STANDBY)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._let_go()
        self.standby.stop("immediate")
        self.primary.stop("immediate")

    def url(self, **parameters: str) -> str:
        """The address of both, the first primary first."""
        hosts = [_socket_folder(server) for server in (self.primary, self.standby)]
        place = urlencode({"host": ",".join(hosts), **parameters}, quote_via=quote)
        return f"postgresql://postgres@/postgres?{place}"

    def cut_off(self) -> None:
        """From now on the standby gets nothing more, and nobody knows.

        The sender is stopped: what the receiver has in its socket, it would still replay.
        """
        with psycopg.connect(self.primary.url(), autocommit=True) as db:
            rows = db.execute("select pid from pg_stat_replication").fetchall()
        assert rows, "there is no standby"
        for (pid,) in rows:
            os.kill(pid, signal.SIGSTOP)
            self._stopped.append(pid)

    def lose_primary(self) -> None:
        """Kill the primary, and what was stopped of it."""
        self.primary.crash()
        self._let_go()

    def promote(self) -> None:
        """Make the standby a primary; return when it takes writes."""
        promote(self.standby)

    def wait_until_equal(self) -> None:
        """Until the standby has replayed all that the primary has written by now."""
        with (
            psycopg.connect(self.primary.url(), autocommit=True) as primary,
            psycopg.connect(self.standby.url(), autocommit=True) as standby,
        ):
            written = primary.execute("select pg_current_wal_lsn()").fetchone()
            replayed = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
            while standby.execute(replayed, written).fetchone() != (True,):
                time.sleep(0.01)

    def _let_go(self) -> None:
        while self._stopped:
            try:
                os.kill(self._stopped.pop(), signal.SIGKILL)
            except ProcessLookupError:
                pass


def copy(source: Postgres, target: Postgres, *, as_standby: bool = True) -> None:
    """Copy a running server into the folder of another one, which is not running yet."""
    target.data_dir.mkdir(mode=0o700, parents=True)
    command = [
        source.binaries.program("pg_basebackup"),
        f"--pgdata={target.data_dir / f'pg{source.binaries.major}'}",
        f"--dbname=host={_socket_folder(source)} user=postgres application_name={STANDBY}",
        "--checkpoint=fast",
        "--wal-method=stream",
        "--no-sync",
    ]
    process = launch(
        command + ["--write-recovery-conf"] * as_standby,
        folder=target.data_dir,
        output=subprocess.PIPE,
    )
    said, _ = process.communicate()
    dismiss(process)
    assert process.returncode == 0, said.decode("utf-8", "replace")


def promote(server: Postgres) -> None:
    """Make a standby a primary; return when it takes writes."""
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute("select pg_promote()")


def wait_for(server: Postgres, *standbys: str) -> None:
    """From now on commits wait for all of these standbys."""
    names = f"FIRST {len(standbys)} ({', '.join(standbys)})" if standbys else ""
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f"alter system set synchronous_standby_names = '{names}'".encode())
        db.execute("select pg_reload_conf()")


def _socket_folder(server: Postgres) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(server.url())["host"])
