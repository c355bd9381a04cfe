"""Progress: how far bodies have come, written down about once a second."""

import asyncio
import threading
from random import Random

import msgspec

from fcs.body.context import Context, Progress
from fcs.database import runs
from fcs.database.connect import Connection
from fcs.database.line import Line
from fcs.domain.ids import RunId, TaskId

INTERVAL = 1.0


class ProgressReporter:
    """Keeps the latest word of each run; bodies in threads may speak at any time."""

    def __init__(self, url: str, *, rng: Random, lease: float) -> None:
        self._line = Line(url, part="worker progress", rng=rng, answer_within=lease)
        self._told: dict[tuple[TaskId, RunId], Progress] = {}
        self._telling = threading.Lock()

    def tell(self, context: Context, progress: Progress) -> None:
        with self._telling:
            self._told[context.id, context.run_id] = progress

    def take(self, context: Context) -> str | None:
        """The last word of a run that has ended, if it has not been written down yet."""
        if not self._told:
            return None
        progress = self._told.pop((context.id, context.run_id), None)
        return _text(progress) if progress is not None else None

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                if self._told:
                    await self._write()
        finally:
            await self._line.close()

    async def _write(self) -> None:
        with self._telling:
            told, self._told = self._told, {}
        texts = {key: _text(progress) for key, progress in told.items()}

        async def write(db: Connection) -> set[TaskId]:
            return await runs.report_progress(db, texts)

        await self._line.carry_out(write)


def _text(progress: Progress) -> str:
    return msgspec.json.encode(progress).decode()
