"""Carries out a stage of the proof: `python -m proof <stage> --help` tells what it can do."""

import sys
from collections.abc import Sequence
from importlib import import_module

from proof.stages import STAGES


def main(arguments: Sequence[str]) -> int:
    """Hand over to the stage that is named first."""
    name, *rest = arguments or ["--help"]
    if name not in STAGES:
        known = "\n".join(f"  {stage:<14}{what}" for stage, (_, what) in STAGES.items())
        print(f"usage: python -m proof <stage> [options]\n\n{known}")
        return 0 if name in ("-h", "--help") else 2
    module, _ = STAGES[name]
    code = import_module(module).main(rest)
    assert isinstance(code, int), f"{module}.main must return an exit code"
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
