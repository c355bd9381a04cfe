"""How a child died, in words."""

import signal
from typing import Final

from fcs.domain.outcome import Failed

_MEANINGS: Final[dict[int, str]] = {
    signal.SIGKILL: "fcs did not do it; the kernel does, when memory runs out",
    signal.SIGSEGV: "it touched memory that is not its own; the log shows where",
    signal.SIGBUS: "it touched memory that is not there; the log shows where",
    signal.SIGABRT: "it gave up by itself; the log may say why",
}


def crashed(code: int, *, cpu_max: float | None) -> Failed:
    """The outcome of a body whose child died by itself; `code` is negative for a signal."""
    how = f"the child {how_it_died(code)} in the middle of the body"
    if code == -signal.SIGXCPU and cpu_max is not None:
        how += f": it had used up its processor time, cpu_max is {cpu_max:g} s"
    elif meaning := _MEANINGS.get(-code):
        how += f": {meaning}"
    return Failed(how, "Crashed")


def gone_silent() -> Failed:
    """The outcome of a body whose child ran on, but could say nothing any more."""
    return Failed("the child closed its line to the worker in the middle of the body", "Crashed")


def how_it_died(code: int) -> str:
    """As in `was killed by signal 9 (SIGKILL)`."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"was killed by signal {-code}"
