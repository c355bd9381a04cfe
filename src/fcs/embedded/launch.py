"""Starting a Postgres program so that it dies with us, and as a user that Postgres accepts."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

from fcs.embedded import launcher

# Where the kernel cannot tell of our death, the end of a pipe can. The watcher hangs off init, so
# that Postgres never meets a child it does not know; a line in the pipe calls the watcher off.
_WATCHED = """
sign=$1
shift
exec 3<&0 </dev/null
( ( read -r _ <&3 || kill -$sign $$ ) >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
"""


def launch(
    command: Sequence[str], *, folder: Path, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Start a program that works in `folder`; it gets a SIGINT when this process dies.

    `dismiss` its watcher once it has ended.
    """
    tied = tie(command, folder=folder)
    return subprocess.Popen(
        tied.argv,
        stdin=subprocess.PIPE if tied.watched else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",  # ours may be closed to the user who runs Postgres
        env=_plain(os.environ),
        start_new_session=True,  # Ctrl-C is for us: Postgres goes last
    )


def is_reachable(path: str, *, folder: str) -> bool:
    """Tell root whether a Postgres in that folder (perhaps one to be) can get to a path."""
    command = [sys.executable, "-I", "-S", launcher.__file__, "reach", folder, path]
    return subprocess.run(command, check=False).returncode != launcher.CLOSED


class Tied(NamedTuple):
    """How to start a program so that it goes when we go."""

    argv: list[str]

    watched: bool
    """Whether it must be given a pipe for its input: the end of that tells of our death."""


def tie(command: Sequence[str], *, folder: Path | None = None) -> Tied:
    """Make a program get a signal when this process dies, by whatever signal.

    With `folder` it is one of Postgres', which gets a SIGINT; ours get a SIGTERM.
    """
    parent = os.getpid() if _kernel_tells_of_our_death() else 0
    argv = [sys.executable, "-I", "-S", launcher.__file__, str(parent), str(folder or ""), *command]
    if not parent:
        argv = ["/bin/sh", "-c", _WATCHED, "sh", "INT" if folder else "TERM", *argv]
    return Tied(argv, watched=not parent)


def dismiss(process: subprocess.Popen[bytes]) -> None:
    """Call off the watcher of a process that has ended, before its number is given anew."""
    if process.stdin:
        try:
            process.stdin.write(b"\n")
            process.stdin.close()
        except BrokenPipeError:
            pass


def _kernel_tells_of_our_death() -> bool:
    # The signal follows the thread that starts the process, and only the main one lasts as long
    # as we do.
    return (
        sys.platform == "linux"
        and threading.current_thread() is threading.main_thread()
        and find_spec("_ctypes") is not None
    )


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would bend Postgres' settings: a bogus `LANG` alone stops initdb."""
    bending = ("PG", "LC_", "LANG", "TZ")
    kept = {name: value for name, value in environment.items() if not name.startswith(bending)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
