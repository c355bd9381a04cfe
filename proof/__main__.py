"""Carries out a stage of the proof: `python -m proof <stage> --help` tells what it can do."""

import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from proof.stages import STAGES, Stage


def end(sign: int, _: object) -> None:
    """Leave as after Ctrl-C: what is open is closed, and whoever was started is ended."""
    raise SystemExit(128 + sign)


def main(arguments: Sequence[str]) -> int:
    """Hand over to the stage that is named first."""
    name, *rest = arguments or ["--help"]
    if name not in STAGES:
        known = "\n".join(f"  {name:<14}{stage.what}" for name, stage in STAGES.items())
        print(f"usage: python -m proof <stage> [options]\n\n{known}")
        return 0 if name in ("-h", "--help") else 2
    return function_of(STAGES[name])(rest)


def function_of(stage: Stage) -> Callable[[Sequence[str]], int]:
    """Import a stage; what the others need may not be there."""
    module, _, name = stage.function.partition(":")
    function: Callable[[Sequence[str]], int] = getattr(import_module(module), name)
    return function


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    sys.exit(main(sys.argv[1:]))
