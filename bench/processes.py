"""What processes have cost so far, as Linux tells it in `/proc`."""

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")

# Positions in `/proc/PID/stat` after the name, which may hold anything in its parentheses.
_PARENT, _USER, _SYSTEM, _OF_CHILDREN, _IN_CHILDREN = 1, 11, 12, 13, 14


def cpu(pid: int) -> float:
    """Seconds of processor time of one process, user and system together."""
    stat = _stat(pid)
    return (int(stat[_USER]) + int(stat[_SYSTEM])) / _TICKS


def family_cpu(pid: int) -> float:
    """The same of a process, of its children, and of those of its children that ended."""
    stat = _stat(pid)
    ended = (int(stat[_OF_CHILDREN]) + int(stat[_IN_CHILDREN])) / _TICKS
    return cpu(pid) + ended + sum(map(_cpu_if_there, children(pid)))


def children(pid: int) -> list[int]:
    """The children of a process that live."""
    return [
        int(folder.name)
        for folder in _PROC.iterdir()
        if folder.name.isdigit() and _parent(int(folder.name)) == pid
    ]


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def private(pid: int) -> int:
    """Bytes of memory that a process holds and shares with no other, or none if it is gone."""
    try:
        _, held, shared = (_PROC / str(pid) / "statm").read_text().split()[:3]
    except OSError:
        return 0
    return (int(held) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    """Files, sockets and pipes that a process has open."""
    return len(list((_PROC / str(pid) / "fd").iterdir()))


def threads(pid: int) -> int:
    """Threads of a process."""
    return len(list((_PROC / str(pid) / "task").iterdir()))


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int | None:
    try:
        return int(_stat(pid)[_PARENT])
    except OSError:
        return None


def _cpu_if_there(pid: int) -> float:
    try:
        return cpu(pid)
    except OSError:
        return 0.0
