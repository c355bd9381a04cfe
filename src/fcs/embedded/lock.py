"""Who may touch a data folder: the one process that holds its lock file.

The kernel takes the lock back when the holder dies, so no lock is ever stale. The holder writes
its name into the file for others to read, and takes it out at the end: a name that is found there
is that of one who was killed. The file stays, since deleting it would race.
"""

import errno
import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from fcs.embedded.errors import AlreadyRunning, UnusableFolder
from fcs.embedded.folder import open_own

_LOOK_SECONDS = 0.1
_PAUSE_SECONDS = 0.005


class FolderLock:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd: int | None = None
        self.follows_a_killed_one = False

    def acquire(self) -> None:
        if self._fd is not None:
            return

        fd = open_own(self._folder / "fcs.lock", os.O_RDWR)
        try:
            _lock(fd)
        except OSError as error:
            holder = _read_holder(fd)
            os.close(fd)
            raise self._refusal(error, *holder) from None

        self._fd = fd
        self.follows_a_killed_one = os.fstat(fd).st_size > 0
        self.announce(None)

    def announce(self, url: str | None) -> None:
        """Write down who we are, for `AlreadyRunning` elsewhere."""
        assert self._fd is not None
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def release(self) -> None:
        if self._fd is not None:
            with suppress(OSError):  # a broken disk; the lock is let go of all the same
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def _refusal(
        self, error: OSError, pid: int | None, url: str | None
    ) -> AlreadyRunning | UnusableFolder:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return UnusableFolder(
                f"{self._folder} cannot be locked: {error.strerror}",
                hint="choose a folder on a local disk with --data",
            )
        return AlreadyRunning(
            f"{self._folder} is in use by {f'process {pid}' if pid else 'another process'}",
            hint=f"use its database: {url}" if url else "wait until it is up, or stop it",
            pid=pid,
            url=url,
        )


def find_url(folder: Path) -> str | None:
    """The URL of the server that runs on a folder now, if one does."""
    try:
        fd = os.open(folder / "fcs.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read_holder(fd)[1]
    else:
        return None  # nobody holds it: what the file says is of the past
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    """Take the lock, or raise as `flock` does; whoever only looks lets go of it in an instant."""
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def _read_holder(fd: int) -> tuple[int | None, str | None]:
    """Read who holds the lock; it may not have got round to saying so."""
    try:
        holder = json.loads(os.pread(fd, 4096, 0))
        return holder["pid"], holder["url"]
    except (ValueError, KeyError, TypeError):
        return None, None
