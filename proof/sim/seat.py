"""The office of a simulated supervisor: the product's own, but for what rests on an event loop."""

from collections.abc import Callable, Collection, Sequence

from fcs.domain.ids import Incarnation, TaskId, WorkerId
from fcs.domain.ring import Ring
from fcs.domain.share import Share
from fcs.supervisor.office import Seat as RealSeat


class _SharedRing(Ring):
    """Remembers all scores and divisions. They are the same in every process and for ever, so
    that a thousand runs compute them once."""

    def keep_only(self, workers: Collection[WorkerId]) -> None:
        """Forget nothing."""


_RING = _SharedRing()
_BITS: dict[frozenset[int], bytes] = {}


class _Share(Share):
    def __init__(self, me: WorkerId, incarnation: Incarnation) -> None:
        super().__init__(me, incarnation)
        self._ring = _RING

    def slot_bits(self, queue: str, ty: str) -> bytes:
        """The same for the same slots, made once."""
        slots = self.slots(queue, ty)
        bits = _BITS.get(slots)
        if bits is None:
            bits = _BITS[slots] = super().slot_bits(queue, ty)
        return bits


class Seat(RealSeat):
    """A worker's own office in hash mode."""

    def __init__(
        self,
        id: WorkerId,
        incarnation: Incarnation,
        *,
        account: Callable[[], tuple[int, int, int]],
        hint: Callable[[Sequence[TaskId]], None],
        lease: float,
    ) -> None:
        super().__init__(id, incarnation, account=account, hint=hint, lease=lease)
        self.share = _Share(id, incarnation)

    def wake_when_freed(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when a slot has become free."""
        self._waker = wake
