"""The outbox of a simulated worker, and what it testifies: mirrors `fcs.worker.outbox.Outbox` and
`fcs.worker.witness.Witness`."""

from fcs.database.runs import Again, Ending, Recorded
from fcs.domain.ids import RunId, WorkerId
from fcs.worker.outbox import BATCH_MAX, LULL, URGENT_AGAIN
from fcs.worker.slots import Slots
from fcs.worker.witness import Witness as RealWitness
from proof.sim.database import runs, workers
from proof.sim.kernel import Node, Signal
from proof.sim.line import Line
from proof.sim.server import Server, Session


class Witness(RealWitness):
    """Keeps what the product's keeps; tells it to the fake server."""

    async def tell(self, server: Server, session: Session, id: WorkerId) -> None:
        """Mirrors `testify`; nothing here needs more than one batch."""
        plain, outlines = list(self._ended_plainly), list(self._outlines)
        if plain:
            await server.send(session, runs.succeed, plain, "", is_urgent=False)
        if receipts := list(self._receipts()):
            await server.send(session, runs.testify, id, receipts)
        if plain or outlines:
            await server.send(session, runs.record_late, [*plain, *outlines])
        await server.send(session, workers.has_testified, self._incarnation)


class Outbox:
    """Sends how runs ended until the database has accepted it."""

    def __init__(
        self, server: Server, node: Node, slots: Slots, witness: Witness, *, lease: float
    ) -> None:
        self.reports = True
        self._told_at = -URGENT_AGAIN
        self._line = Line(server, node, slots.incarnation, answer_within=lease)
        self._node, self._slots, self._witness = node, slots, witness
        self._endings: list[Ending | Again] = []
        self._arrived = Signal(node.kernel)
        self.empty = Signal(node.kernel)
        self.empty.set()

    @property
    def runs(self) -> set[RunId]:
        return {ending.run_id for ending in self._endings}

    @property
    def pending(self) -> list[Ending | Again]:
        return self._endings[:]

    def put(self, ending: Ending | Again) -> None:
        if not self._endings:
            self.empty.clear()
            self._arrived.set()
        self._endings.append(ending)

    async def run(self) -> None:
        """Mirrors `run`."""
        while True:
            await self._wait()
            self._arrived.clear()
            while self._endings:
                batch = self._endings[:BATCH_MAX]
                await self._settle(batch)
                del self._endings[: len(batch)]
            self.empty.set()

    async def _wait(self) -> None:
        if self._slots.untold and self.reports:
            if await self._arrived.wait(LULL):
                return
            untold = self._slots.untold
            await self._line.carry_out(runs.report, self._slots.report())
            self._has_told(untold)
        await self._arrived.wait()

    async def _settle(self, batch: list[Ending | Again]) -> None:
        agains = [ending for ending in batch if isinstance(ending, Again)]
        endings = [ending for ending in batch if isinstance(ending, Ending)]
        if agains:
            endings += [again.as_last for again in await self._retry(agains)]
        if endings:
            await self._finish(endings)

    async def _retry(self, agains: list[Again]) -> list[Again]:
        returned = await self._line.carry_out(runs.retry, agains, self._account())
        if len(returned) < len(agains):
            returned = await self._line.carry_out(runs.retry, agains, self._account())
        return [again for again in agains if again.run_id not in returned]

    def _account(self) -> str:
        return self._slots.report() if self.reports else ""

    def _is_urgent(self) -> bool:
        if not self._slots.is_nearly_full:
            return False
        age = self._node.at() - self._told_at
        return self._slots.is_half_free or age >= URGENT_AGAIN

    def _has_told(self, untold: int) -> None:
        self._slots.told(untold)
        self._told_at = self._node.at()

    async def _finish(self, endings: list[Ending]) -> None:
        untold, is_urgent = self._slots.untold, self._is_urgent()
        others = [ending for ending in endings if not ending.is_plain]
        plain = [ending for ending in endings if ending.is_plain]
        finished = Recorded()
        for act, some in ((runs.succeed, plain), (runs.finish, others)):
            if some:
                recorded = await self._line.carry_out(
                    act, some, self._account(), is_urgent=is_urgent
                )
                finished |= recorded
                finished.rang |= recorded.rang
        if others:
            self._witness.ended(others)
        if plain:
            self._witness.ended_plainly(plain)
        if finished.rang or not self.reports:
            self._has_told(untold)
        if len(finished) < len(endings):
            missing = [ending for ending in endings if ending.task_id not in finished]
            await self._line.carry_out(runs.record_late, missing)
