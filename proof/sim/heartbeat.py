"""The heartbeat of a simulated worker: mirrors `fcs.worker.heartbeat.Heartbeat`."""

from collections.abc import Callable
from uuid import UUID

from fcs.database.workers import Beaten
from fcs.domain.lease import trusted_until
from fcs.domain.settings import Settings
from fcs.domain.topology import Mode
from fcs.worker.heartbeat import MARGIN_SHARE
from fcs.worker.slots import Slots
from proof.sim.database import workers
from proof.sim.kernel import Node, Sleep
from proof.sim.line import Line
from proof.sim.server import Server, Session


class Heartbeat:
    """Beats until cancelled; what it learns it tells by the callbacks."""

    def __init__(
        self,
        server: Server,
        node: Node,
        slots: Slots,
        settings: Settings,
        *,
        on_sent: Callable[[int], None],
        on_fenced: Callable[[], None],
        on_mode: Callable[[Mode], None],
        on_moved: Callable[[], None],
        may_begin: Callable[[], bool],
    ) -> None:
        self._server, self._node, self._slots, self._settings = server, node, slots, settings
        self._on_sent, self._on_fenced, self._on_mode = on_sent, on_fenced, on_mode
        self._on_moved, self._may_begin = on_moved, may_begin
        self._follows: Mode | None = None
        self._database: UUID | None = None
        self.trusted_until = node.at()

    async def run(self) -> None:
        """Mirrors `_beat_until_stopped`."""
        settings = self._settings
        line = Line(
            self._server,
            self._node,
            self._slots.incarnation,
            pause_max=settings.beat_interval,
            answer_within=settings.lease / 2,
        )
        while True:
            sent = await line.until(self._beat)
            if sent is None:
                self._on_fenced()
                return
            self._on_sent(sent.tasks_sent)
            if sent.home != self._database:
                was, self._database = self._database, sent.home
                if was is not None:
                    self._on_moved()
            if sent.mode is not self._follows:
                self._follows = sent.mode
                self._on_mode(sent.mode)
            await Sleep(settings.beat_interval)

    async def _beat(self, session: Session) -> Beaten | None:
        sent_at = self._node.at()
        report_no, busy, taken = self._slots.account
        if not self._may_begin():
            busy = self._slots.total
        sent = await self._server.send(
            session,
            workers.beat,
            self._slots.incarnation,
            report_no=report_no,
            slots_busy=busy,
            tasks_taken=taken,
            follows=self._follows,
        )
        if sent is not None:
            lease = self._settings.lease
            self.trusted_until = trusted_until(sent_at, lease=lease, margin=MARGIN_SHARE * lease)
        return sent
