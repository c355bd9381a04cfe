"""Which processes are at work in a data folder, whoever started them."""

import os
import subprocess
import time
from pathlib import Path

_PAUSE_SECONDS = 0.02


def wait_until_deserted(folder: Path, *, seconds: float) -> list[int]:
    """Wait until nobody works in `folder`; return who still does when the time is over."""
    deadline = time.monotonic() + seconds
    while (pids := at_work_in(folder)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return pids


def at_work_in(folder: Path) -> list[int]:
    """Find the processes of a server: each has its data folder as working directory.

    The number in `postmaster.pid` proves nothing: it may have been given to another process, or
    belong to a zombie.
    """
    if Path("/proc/self/cwd").exists():
        return [pid for pid in _pids() if _works_in(pid, folder)]
    return _at_work_by_pid_file(folder)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - hot


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(folder)  # noqa: PTH115 - the text, not a path
    except PermissionError:
        return _seems_to_work_in(pid, folder)
    except OSError:
        return False  # gone, or a zombie


def _seems_to_work_in(pid: int, folder: Path) -> bool:
    """Judge by what everybody may see: in Docker, root may not look into other users' processes.

    A server names its folder. Its parts do not; while it lives it is enough to find it, and those
    that outlived it count whosever they were, since they will not last.
    """
    process = Path("/proc", str(pid))
    try:
        if process.stat().st_uid != folder.stat().st_uid:
            return False
        words = (process / "cmdline").read_bytes().split(b"\0")
        if words[0].startswith(b"postgres: "):
            return not _is_postgres(_parent(process))
        return os.fsencode(folder) in words
    except OSError:
        return False


def _parent(process: Path) -> Path:
    _, _, rest = (process / "stat").read_text().rpartition(")")
    return process.with_name(rest.split()[1])


def _is_postgres(process: Path) -> bool:
    try:
        return "postgres" in (process / "comm").read_text()
    except OSError:
        return False


def _at_work_by_pid_file(folder: Path) -> list[int]:
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return []
    # Twice wide, or macOS cuts the line before the folder.
    answer = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return [pid] if str(folder) in answer.stdout else []
