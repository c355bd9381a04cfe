"""The bonds of a child: it goes when its worker goes, and before its worker goes for memory."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_OOM_SCORE: Final = 500
"""Of a thousand: the kernel takes a child before the worker, and both before nobody's."""


class Orphaned(Exception):
    """The worker has gone while we were starting."""


def tie_to(parent: int) -> None:
    """Die with the worker, adopt what bodies leave behind, dump no core.

    Raises `Orphaned`. Elsewhere than on Linux the end of the pipe and the keeper have to do.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        _call_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _call_prctl(_PR_SET_CHILD_SUBREAPER, 1)
        _volunteer_for_the_oom_killer()
    # The worker may have died before the kernel knew whom to tell.
    if os.getppid() != parent:
        raise Orphaned


def _call_prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")


def _volunteer_for_the_oom_killer() -> None:
    score = Path("/proc/self/oom_score_adj")
    try:
        if int(score.read_text()) < _OOM_SCORE:
            score.write_text(str(_OOM_SCORE))
    except OSError:
        pass  # some containers hide it; then the kernel chooses as it likes
