"""A worker's account: when the supervisor is to be told, though it be busy."""

from uuid import UUID

from fcs.domain.ids import Incarnation
from fcs.worker.slots import Slots


def slots_of(total: int, *, begun: int, ended: int) -> Slots:
    slots = Slots(Incarnation(UUID(int=1)), total)
    slots.begun(begun)
    for _ in range(ended):
        slots.ended()
    return slots


def test_it_is_nearly_full_as_long_as_the_supervisor_takes_it_for_that() -> None:
    """What has ended and was not told is busy, as far as the supervisor knows."""
    assert slots_of(100, begun=75, ended=60).is_nearly_full
    assert not slots_of(100, begun=74, ended=0).is_nearly_full


def test_what_was_told_is_free_for_the_supervisor_too() -> None:
    slots = slots_of(100, begun=80, ended=60)
    slots.told(60)

    assert slots.untold == 0
    assert not slots.is_nearly_full


def test_it_is_half_free_when_half_has_ended_and_nobody_was_told() -> None:
    assert slots_of(100, begun=100, ended=50).is_half_free
    assert not slots_of(100, begun=100, ended=49).is_half_free
    assert slots_of(1, begun=1, ended=1).is_half_free
