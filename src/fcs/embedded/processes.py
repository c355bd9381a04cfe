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
        return [pid for pid in _pids() if _working_dir(pid) == str(folder)]
    return _at_work_by_pid_file(folder)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - hot


def _working_dir(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - the text, not a path
    except OSError:
        return None  # gone, a zombie, or somebody else's


def _at_work_by_pid_file(folder: Path) -> list[int]:
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return []
    answer = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return [pid] if str(folder) in answer.stdout else []
