"""Processes that a body has left running. This process adopts them, however they got away."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_TASKS: Final = Path("/proc/self/task")
_PAUSE_SECONDS: Final = 0.005


def leftovers() -> list[int]:
    """The children of this process; none where the kernel does not tell."""
    found: list[int] = []
    try:
        for thread in list(_TASKS.iterdir()):
            found += map(int, (thread / "children").read_text().split())
    except OSError:
        pass  # no such list here, or a thread ended meanwhile
    return found


def end_leftovers(*, seconds: float) -> None:
    """Kill what is left, and what then is left of that, for as long as it takes or may take."""
    give_up_at = time.monotonic() + seconds
    while (pids := leftovers()) and time.monotonic() < give_up_at:
        for pid in pids:
            with suppress(OSError):  # somebody may have waited for it already
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE_SECONDS)
