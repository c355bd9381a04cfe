"""The keeper of the process groups: a small process that ends them when this one is killed."""

import asyncio
import sys
from collections.abc import Mapping


class Keeper:
    """Told of each child by its process group, which has the number of the child."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, environment: Mapping[str, str]) -> "Keeper":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "fcs.child.keeper",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
        return cls(process)

    def add(self, group: int) -> None:
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        self._write(f"-{group}\n")

    async def close(self) -> None:
        """Dismiss it; whatever group is still on its list ends."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
