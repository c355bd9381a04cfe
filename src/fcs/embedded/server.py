"""A private Postgres server: started, stopped and, for tests, crashed."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlencode

from fcs.embedded import folder, wire
from fcs.embedded.binaries import Binaries, find_binaries
from fcs.embedded.errors import AlreadyRunning, PostgresFailed, UnusableFolder
from fcs.embedded.launch import dismiss, launch
from fcs.embedded.lock import FolderLock
from fcs.embedded.processes import wait_until_deserted
from fcs.embedded.shelf import within_reach

_SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "unix_socket_permissions": "0700",
    # Compiling costs more than any of our short statements.
    "jit": "off",
    # The statement of a client that was killed ends, and its locks go, within a second.
    "client_connection_check_interval": "1s",
    # The rows of a queue turn over within seconds; a minute's worth of dead ones slows every scan.
    "autovacuum_naptime": "10s",
    # The log is cut at a start only, so let it hold trouble and nothing else.
    "log_checkpoints": "off",
}

_PORT = 5432
_POLL_SECONDS = 0.005
_ORPHANS_SECONDS = 30.0
_STOP_SECONDS = 60.0

StopMode = Literal["fast", "immediate"]
_STOP_SIGNALS: dict[StopMode, signal.Signals] = {
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class Postgres:
    """One server on one data folder, which it holds from `start` to `stop`.

    It keeps Postgres' durability. It listens on a socket in a folder that only its owner can
    enter; with `listen` also on a loopback address, for a password that changes with every start.
    When this process dies, by whatever signal, the server shuts itself down. A folder with the
    copy of another server may be a standby of that one.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        bin_dir: Path | str | None = None,
        listen: tuple[str, int] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = Path(data_dir).resolve()
        self._bin_dir = Path(bin_dir) if bin_dir else None
        self._listen = listen
        self._settings = _SETTINGS | dict(settings or {})
        self._lock = FolderLock(self.data_dir)
        self._password = secrets.token_urlsafe(24)
        self._binaries: Binaries | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, making its cluster first if need be; return when it takes connections.

        Raises `AlreadyRunning` if somebody else holds the folder.
        """
        assert not self.running, "already started"
        self._forget_crashed()
        folder.make_private(self.data_dir)
        self._lock.acquire()
        try:
            self._start()
        except BaseException:
            self.stop("immediate")
            raise
        self._lock.announce(self.url())

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server if it runs, and let go of the folder.

        Both modes keep what was committed; after `immediate` the next start has to recover.
        """
        if self._process:
            _end(self._process, mode)
            self._process = None
            wait_until_deserted(self._cluster, seconds=_ORPHANS_SECONDS)
            folder.remove_socket_folder(self.data_dir)
        self._lock.release()

    def crash(self) -> None:
        """Kill the server as a power failure would, but keep the folder: `start` recovers."""
        assert self._process, "not started"
        self._process.kill()
        self._process.wait()

    def announce(self, url: str) -> None:
        """Say where the server is to whoever finds the folder in use."""
        self._lock.announce(url)

    def create_database(self, name: str) -> None:
        """Create a database, unless it is there already."""
        assert name.isidentifier(), name
        if not wire.execute(self._socket, f"select from pg_database where datname = '{name}'"):
            wire.execute(self._socket, f"create database {name}")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.running else None

    @property
    def follows_a_killed_one(self) -> bool:
        """Whether the last process that held the folder had no time to let go of things."""
        return self._lock.follows_a_killed_one

    @property
    def binaries(self) -> Binaries:
        """The programs in use, chosen once: data of one major version can be read by no other."""
        if not self._binaries:
            found = find_binaries(self._bin_dir, major=folder.major_of_data(self.data_dir))
            self._binaries = within_reach(found, self.data_dir)
        return self._binaries

    @property
    def bin_dir(self) -> Path:
        return self.binaries.bin_dir

    @property
    def version(self) -> str:
        return self.binaries.version

    def url(self, dbname: str = "postgres") -> str:
        """Return the address by socket; it needs no password."""
        place = urlencode({"host": self._socket_folder, "port": self._port}, quote_via=quote)
        return f"postgresql://postgres@/{quote(dbname, safe='')}?{place}"

    def tcp_url(self, dbname: str = "postgres") -> str:
        """Return the address for programs that cannot use the socket; it holds the password."""
        assert self._listen, "not asked to listen"
        host, port = self._listen
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"postgresql://postgres:{self._password}@{place}/{quote(dbname, safe='')}"

    @property
    def _cluster(self) -> Path:
        return self.data_dir / f"pg{self.binaries.major}"

    @property
    def _port(self) -> int:
        return self._listen[1] if self._listen else _PORT

    @property
    def _socket_folder(self) -> Path:
        return folder.socket_folder(self.data_dir)

    @property
    def _socket(self) -> Path:
        return self._socket_folder / f".s.PGSQL.{self._port}"

    def _forget_crashed(self) -> None:
        if self._process:
            dismiss(self._process)
            self._process = None

    def _start(self) -> None:
        folder.make_cluster(self.data_dir, self.binaries)
        folder.make_socket_folder(self.data_dir)
        self._clear_remains()

        log = folder.open_log(self.data_dir)
        try:
            log_start = os.fstat(log).st_size
            self._process = launch(self._command(), folder=self.data_dir, output=log)
        finally:
            os.close(log)

        # There is no time limit: a recovery takes what it takes, and starts anew if given up.
        while not (self._claims_readiness() and wire.is_ready(self._socket)):
            if self._process.poll() is not None:
                raise self._failure(log_start)
            time.sleep(_POLL_SECONDS)

        if self._listen:
            wire.execute(self._socket, f"alter role postgres password '{self._password}'")

    def _claims_readiness(self) -> bool:
        """Read the server's own note first: every early call would be a line in its log."""
        try:
            note = (self._cluster / "postmaster.pid").read_text()
        except OSError:
            return False
        return note.rstrip().endswith(("ready", "standby"))

    def _clear_remains(self) -> None:
        """Remove what a killed server left behind.

        Postgres itself is careful: it refuses to start when the number in one of these files
        belongs to any living process. We hold the folder and can see that nobody works there.
        """
        if orphans := wait_until_deserted(self._cluster, seconds=_ORPHANS_SECONDS):
            raise AlreadyRunning(
                f"a Postgres that was not started by this fcs works in {self._cluster}: "
                f"process {orphans[0]}",
                hint=f"stop it: kill -INT {min(orphans)}",
                pid=min(orphans),
                url=None,
            )
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        self._socket.with_name(f"{self._socket.name}.lock").unlink(missing_ok=True)

    def _command(self) -> list[str]:
        quoted_folder = str(self._socket_folder).replace('"', '""')
        settings = self._settings | {
            "listen_addresses": self._listen[0] if self._listen else "",
            "port": str(self._port),
            "unix_socket_directories": f'"{quoted_folder}"',
        }
        command = [self.binaries.program("postgres"), "-D", str(self._cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _failure(self, log_start: int) -> PostgresFailed | UnusableFolder:
        log = self.data_dir / "postgres.log"
        with log.open("rb") as file:
            file.seek(log_start)
            said = file.read().decode("utf-8", "replace")
        return folder.failure(
            self.data_dir,
            said,
            f"Postgres {self.version} did not start in {self.data_dir}",
            hint=f"{log} says more; or give the URL of a running Postgres with --database",
        )


def _end(process: subprocess.Popen[bytes], mode: StopMode) -> None:
    process.send_signal(_STOP_SIGNALS[mode])
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # A disk that slow: what was committed is in the log already, so leave the rest to recovery.
        process.send_signal(signal.SIGQUIT)
        process.wait()
    dismiss(process)
