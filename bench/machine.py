"""What the figures were taken on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.stage import SETTINGS
from fcs.embedded import find_binaries


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when."""

    date: str
    cores: int
    memory_gib: float
    python: str
    postgres: str
    settings: dict[str, str]


def this_machine() -> Machine:
    """This one, now."""
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        cores=os.cpu_count() or 0,
        memory_gib=round(_memory_kib() / 2**20, 1),
        python=platform.python_version(),
        postgres=find_binaries().version,
        settings=SETTINGS,
    )


def _memory_kib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0
