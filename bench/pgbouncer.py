"""PgBouncer before a server, where it is installed."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_connection, create_server
from tempfile import TemporaryDirectory
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fcs.embedded import Postgres

# Debian puts it where only root looks.
BINARY: Final = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_HERE = "127.0.0.1"
_CONFIGURATION = """
    [databases]
    * = host={host} port={port} user={user} password={password}
    [pgbouncer]
    listen_addr = 127.0.0.1
    listen_port = {own_port}
    unix_socket_dir =
    auth_type = any
    pool_mode = {mode}
"""


@contextmanager
def pgbouncer(server: Postgres, *, mode: str) -> Iterator[Callable[[str], str]]:
    """A PgBouncer while the block runs; yields the way through it to the database of a name.

    The server must listen on TCP: as root, PgBouncer runs as somebody who may not enter the
    folder of the socket.
    """
    assert BINARY is not None
    place = conninfo_to_dict(server.tcp_url())
    own_port = free_port()
    with TemporaryDirectory(prefix="fcs-pgbouncer-") as folder:
        path = Path(folder) / "pgbouncer.ini"
        path.write_text(_CONFIGURATION.format(**place, own_port=own_port, mode=mode))
        Path(folder).chmod(0o755)
        who = ["--user", "nobody"] if os.geteuid() == 0 else []
        with subprocess.Popen([BINARY, "--quiet", *who, path]) as process:
            try:
                _wait_for(process, own_port)
                yield lambda dbname: make_conninfo(
                    "", host=_HERE, port=own_port, user=place["user"], dbname=dbname
                )
            finally:
                process.terminate()


def free_port() -> int:
    """One that nobody has just now."""
    with create_server((_HERE, 0)) as listener:
        return int(listener.getsockname()[1])


def version() -> str:
    """What the binary says of itself."""
    assert BINARY is not None
    said = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True)
    return said.stdout.splitlines()[0]


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        with suppress(ConnectionError), create_connection((_HERE, port)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"PgBouncer ended at once with code {process.returncode}")
