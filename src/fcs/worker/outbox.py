"""The outbox: how runs ended, sent until the database has accepted it.

Whatever ends while one batch is on its way makes the next batch.
"""

import asyncio
import logging
from contextlib import suppress
from random import Random

from fcs.database import runs
from fcs.database.connect import Connection
from fcs.database.line import Line, is_refusal
from fcs.database.runs import Again, Ending, Recorded
from fcs.domain.ids import RunId, TaskId
from fcs.domain.task import Status
from fcs.domain.text import safe_text
from fcs.worker.slots import Slots
from fcs.worker.witness import Witness

log = logging.getLogger(__name__)

BATCH_MAX = 2_000

LULL = 0.05
"""Seconds without an end, after which the supervisor is told of slots that are free and that were
not worth a ring."""


URGENT_AGAIN = 0.01
"""Seconds after which a worker tells again that the supervisor takes for nearly full."""


class Outbox:
    def __init__(
        self, url: str, slots: Slots, witness: Witness, *, rng: Random, lease: float
    ) -> None:
        self.reports = True
        """Whether anybody wants to hear of free slots."""
        self._told_at = -URGENT_AGAIN
        self._line = Line(url, part="worker finish", rng=rng, answer_within=lease)
        self._slots = slots
        self._witness = witness
        self._endings: list[Ending | Again] = []
        self._last_words: dict[RunId, str] = {}
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def runs(self) -> set[RunId]:
        """The runs whose endings are not yet accepted."""
        return {ending.run_id for ending in self._endings}

    @property
    def pending(self) -> list[Ending | Again]:
        """The endings that are not yet accepted, also when nobody sends them any more."""
        return self._endings[:]

    def put(self, ending: Ending | Again, last_word: str | None = None) -> None:
        """Send an ending, and before it the last progress of the run, as JSON."""
        if not self._endings:
            self._empty.clear()
            self._arrived.set()
        self._endings.append(ending)
        if last_word is not None:
            self._last_words[ending.run_id] = last_word

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                await self._wait()
                self._arrived.clear()
                while self._endings:
                    await self._send(self._endings[:BATCH_MAX])
                self._empty.set()
        finally:
            await self._line.close()

    async def flushed(self) -> None:
        """Wait until everything is accepted."""
        await self._empty.wait()

    async def _wait(self) -> None:
        if self._slots.untold and self.reports:
            with suppress(TimeoutError):
                async with asyncio.timeout(LULL):
                    await self._arrived.wait()
                return
            await self._tell()
        await self._arrived.wait()

    async def _tell(self) -> None:
        untold = self._slots.untold

        async def tell(db: Connection) -> None:
            await runs.report(db, self._slots.report())

        await self._line.carry_out(tell)
        self._has_told(untold)

    async def _send(self, batch: list[Ending | Again]) -> None:
        await self._deliver(batch)
        # Whatever came meanwhile came behind them.
        del self._endings[: len(batch)]
        if self._last_words:
            for ending in batch:
                self._last_words.pop(ending.run_id, None)

    async def _deliver(self, batch: list[Ending | Again]) -> None:
        try:
            await self._settle(batch)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(batch) == 1:
                await self._settle([_unkept(batch[0], error)])
                return
            # One of them cannot be written down; the others are not to suffer for it.
            for ending in batch:
                await self._deliver([ending])

    async def _settle(self, batch: list[Ending | Again]) -> None:
        agains = [ending for ending in batch if isinstance(ending, Again)]
        endings = [ending for ending in batch if isinstance(ending, Ending)]
        if agains:
            # Cancelled in the meantime, perhaps: then this run was the last one.
            endings += [again.as_last for again in await self._retry(agains)]
        if last_words := self._last_words_of(endings):
            await self._report(last_words)
        if endings:
            await self._finish(endings)

    def _last_words_of(self, endings: list[Ending]) -> dict[tuple[TaskId, RunId], str]:
        if not self._last_words:
            return {}
        return {
            (ending.task_id, ending.run_id): self._last_words[ending.run_id]
            for ending in endings
            if ending.run_id in self._last_words
        }

    async def _report(self, last_words: dict[tuple[TaskId, RunId], str]) -> None:
        async def report(db: Connection) -> set[TaskId]:
            return await runs.report_progress(db, last_words)

        await self._line.carry_out(report)

    async def _retry(self, agains: list[Again]) -> list[Again]:
        """Return tasks to pending; return the runs whose tasks may not run again."""

        async def retry(db: Connection) -> set[RunId]:
            return await runs.retry(db, agains, self._account())

        returned = await self._line.carry_out(retry)
        if len(returned) < len(agains):
            # A first sending may have been under way still; now there is its evidence.
            returned = await self._line.carry_out(retry)
        return [again for again in agains if again.run_id not in returned]

    def _account(self) -> str:
        return self._slots.report() if self.reports else ""

    def _is_urgent(self) -> bool:
        """Whether the supervisor is to be told, though it be busy."""
        if not self._slots.is_nearly_full:
            return False
        age = asyncio.get_running_loop().time() - self._told_at
        return self._slots.is_half_free or age >= URGENT_AGAIN

    def _has_told(self, untold: int) -> None:
        self._slots.told(untold)
        self._told_at = asyncio.get_running_loop().time()

    async def _finish(self, endings: list[Ending]) -> None:
        untold, is_urgent = self._slots.untold, self._is_urgent()
        others = [ending for ending in endings if not ending.is_plain]
        plain = [ending for ending in endings if ending.is_plain] if others else endings

        async def succeed(db: Connection) -> Recorded:
            return await runs.succeed(db, plain, self._account(), is_urgent=is_urgent)

        async def finish(db: Connection) -> Recorded:
            return await runs.finish(db, others, self._account(), is_urgent=is_urgent)

        async def record_late(db: Connection) -> set[TaskId]:
            return await runs.record_late(db, missing)

        finished = await self._line.carry_out(succeed) if plain else Recorded()
        if others:
            others_finished = await self._line.carry_out(finish)
            finished |= others_finished
            finished.rang |= others_finished.rang
            self._witness.ended(others)
        if plain:
            self._witness.ended_plainly(plain)
        if finished.rang or not self.reports:
            self._has_told(untold)
        if len(finished) < len(endings):
            missing = [ending for ending in endings if ending.task_id not in finished]
            # Accepted by an earlier sending whose answer was lost, or no longer ours to say.
            for task_id in await self._line.carry_out(record_late):
                log.warning(
                    "task had been taken from this worker; its outcome is kept as a late report:"
                    " task=%s",
                    task_id,
                )


def _unkept(ending: Ending | Again, error: Exception) -> Ending:
    """What can be said of a run whose outcome Postgres refuses."""
    log.error("outcome cannot be kept: task=%s reason=%s", ending.task_id, error)
    reason = f"the body ended, but its outcome cannot be kept: {safe_text(error)}"
    return Ending(ending.task_id, ending.run_id, Status.FAILED, reason)
