"""How a child died, in words."""

import signal
from typing import Final

from fcs.domain.outcome import Failed

# By name: not every system has them all.
_MEANINGS: Final = {
    "SIGKILL": "fcs did not do it; the kernel does, when memory runs out",
    "SIGSEGV": "it touched memory that is not its own; the log shows where",
    "SIGBUS": "it touched memory that is not there; the log shows where",
    "SIGABRT": "it gave up by itself; the log may say why",
}


def crashed(code: int, *, cpu_max: float | None) -> Failed:
    """The outcome of a body whose child died by itself; `code` is negative for a signal."""
    how = f"the child {how_it_died(code)} in the middle of the body"
    name = _signal_of(code)
    if name == "SIGXCPU" and cpu_max is not None:
        how += f": it had used up its processor time, cpu_max is {cpu_max:g} s"
    elif name in _MEANINGS:
        how += f": {_MEANINGS[name]}"
    return Failed(how, "Crashed")


def gone_silent() -> Failed:
    """The outcome of a body whose child ran on, but said nothing more that made sense."""
    return Failed("the child broke its line to the worker in the middle of the body", "Crashed")


def how_it_died(code: int) -> str:
    """As in `was killed by signal 9 (SIGKILL)`."""
    if code >= 0:
        return f"exited with code {code}"
    name = _signal_of(code)
    return f"was killed by signal {-code}" + (f" ({name})" if name else "")


def _signal_of(code: int) -> str:
    """The name of the signal that a return code tells of; empty for none that has a name."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return ""
