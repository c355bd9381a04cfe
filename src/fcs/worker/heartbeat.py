"""The heartbeat: renews the lease from a thread and a connection of its own.

A body that blocks the event loop, or keeps the interpreter busy, delays nothing here as long
as threads get their turn. The same thread notices when the loop stands still, and says where.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from random import Random
from uuid import UUID

from fcs.database import workers
from fcs.database.connect import Connection
from fcs.database.line import Line
from fcs.domain.lease import trusted_until
from fcs.domain.pace import Pace
from fcs.domain.settings import Settings
from fcs.domain.topology import Mode
from fcs.worker.slots import Slots

log = logging.getLogger(__name__)

MARGIN_SHARE = 0.2
"""The share of the lease that is kept for the way from a begin to the body."""

BLOCKED_AFTER = 1.0
"""Seconds without a turn of the event loop that are worth a warning."""


class Heartbeat:
    """Beats until stopped. What it learns is told in the event loop's thread: how many tasks were
    sent here, the mode of the cluster when that has changed, that the database is another one or
    may be, and that somebody ended this process. `may_begin` is asked in its own thread.
    """

    def __init__(
        self,
        url: str,
        slots: Slots,
        settings: Settings,
        *,
        rng: Random,
        at: Callable[[], float],
        on_sent: Callable[[int], None],
        on_fenced: Callable[[], None],
        on_mode: Callable[[Mode], None],
        on_moved: Callable[[], None],
        may_begin: Callable[[], bool],
    ) -> None:
        self._url, self._slots, self._settings = url, slots, settings
        self._may_begin = may_begin
        self._rng, self._at = rng, at
        self._on_sent, self._on_fenced, self._on_mode = on_sent, on_fenced, on_mode
        self._on_moved = on_moved
        self._follows: Mode | None = None
        self._database: UUID | None = None
        self._home = asyncio.get_running_loop()
        self._home_thread = threading.get_ident()
        self._stopping = threading.Event()
        self._turned_at = at()
        self._told = slots.account
        self._blocked = False
        self._pace: Pace | None = None
        # Nothing is begun before the first beat is acknowledged: how long ago the registration
        # was written is not known for sure.
        self.trusted_until = at()
        self._thread = threading.Thread(target=self._run, name="fcs-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat, at once."""
        self._thread.start()

    async def stop(self) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 5.0)

    def turn(self) -> None:
        """The event loop is alive."""
        self._turned_at = self._at()

    def hurry(self) -> None:
        """Beat also soon after the account has changed: the supervisor may know it from the row
        alone."""
        self._pace = Pace(self._settings.poll_interval)

    def _run(self) -> None:
        asyncio.run(self._beat_until_stopped())

    async def _beat_until_stopped(self) -> None:
        # When Postgres is back the next beat has to come before the lease is over.
        line = Line(
            self._url,
            part="heartbeat",
            rng=self._rng,
            pause_max=self._settings.beat_interval,
            answer_within=self._settings.lease / 2,
            # No beat helps that is answered after the lease.
            answer_max=self._settings.lease / 2,
        )
        try:
            while not self._stopping.is_set():
                sent = await line.carry_out(self._beat, give_up=self._stopping.is_set)
                if sent is None:
                    self._tell(self._on_fenced)
                    return
                self._tell(self._on_sent, sent.tasks_sent)
                if sent.home != self._database:
                    was, self._database = self._database, sent.home
                    if was is not None:
                        self._tell(self._on_moved)
                if sent.mode is not self._follows:
                    self._follows = sent.mode
                    self._tell(self._on_mode, sent.mode)
                await self._pause()
        except Exception:
            if not self._stopping.is_set():
                log.exception("heartbeat failed: incarnation=%s", self._slots.incarnation)
                self._tell(self._on_fenced)
        finally:
            await line.close()

    async def _beat(self, db: Connection) -> workers.Beaten | None:
        sent_at = self._at()
        self._watch_the_loop()
        self._told = self._slots.account
        report_no, busy, taken = self._told
        if not self._may_begin():
            # Whoever beats is handed tasks, and these would wait here for nothing.
            busy = self._slots.total
        sent = await workers.beat(
            db,
            self._slots.incarnation,
            report_no=report_no,
            slots_busy=busy,
            tasks_taken=taken,
            follows=self._follows,
        )
        if sent is not None:
            self.trusted_until = self._trust(sent_at)
        return sent

    def _trust(self, beat_sent_at: float) -> float:
        lease = self._settings.lease
        return trusted_until(beat_sent_at, lease=lease, margin=MARGIN_SHARE * lease)

    async def _pause(self) -> None:
        """Until the next beat, in small steps, so that stopping is quick."""
        until = self._at() + self._settings.beat_interval
        while not self._stopping.is_set() and (left := until - self._at()) > 0:
            step = 0.25 if self._pace is None else self._pace.pause()
            await asyncio.sleep(min(left, step))
            if self._pace is not None and self._told != self._slots.account:
                self._pace.found()
                return

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        if not self._home.is_closed():
            self._home.call_soon_threadsafe(callback, *values)

    def _watch_the_loop(self) -> None:
        still_for = self._at() - self._turned_at
        if still_for < BLOCKED_AFTER + self._settings.beat_interval:
            self._blocked = False
        elif not self._blocked:
            self._blocked = True
            log.warning(
                "the event loop stands still: seconds=%.1f at=%s; "
                "a blocking call belongs into a plain `def` task, which runs in a thread",
                still_for,
                self._where(),
            )

    def _where(self) -> str:
        frame = sys._current_frames().get(self._home_thread)  # noqa: SLF001 - its documented name
        if frame is None:
            return "unknown"
        last = traceback.extract_stack(frame)[-1]
        return f"{last.filename}:{last.lineno} in {last.name}"
