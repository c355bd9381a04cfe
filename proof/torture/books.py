"""Books: files that only grow, a JSON object a line, written outside the database.

Every line carries two clocks: `boot`, which nobody can set, and `real`, by which the database goes
that runs on the same machine.
"""

import json
import os
import time
from pathlib import Path
from typing import Any


class Book:
    """One file; several threads and processes may write to it at once."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, op: str, **said: Any) -> None:
        """Add a line. A single write to a file opened so is one whole line."""
        line = {"op": op, "boot": boot_time(), "real": time.time(), **said}
        os.write(self._file, json.dumps(line, default=str).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def boot_time() -> float:
    """Seconds since the machine was started, by the clock that the ledger goes by."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
