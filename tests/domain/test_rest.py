"""Rest: who is busy looks for itself, and who sleeps is rung."""

from uuid import UUID

from tests.domain.samples import waiting

from fcs.domain.facts import Assignment
from fcs.domain.ids import Incarnation
from fcs.domain.rest import NAP, NAP_MAX, NAPS_MAX, NAPS_UNDONE, Next, Rest
from fcs.domain.supervisor import Plan

WORK = Plan([Assignment(waiting(1), Incarnation(UUID(int=1)))])


def worked(rest: Rest) -> Next:
    return rest.after_round(WORK)


def asked(rest: Rest) -> Next:
    return rest.after_round(Plan(count=frozenset({"mail"})))


def idled(rest: Rest, *, is_short: bool = False) -> Next:
    return rest.after_round(Plan(is_short=is_short))


def asleep() -> Rest:
    rest = Rest()
    rest.is_asleep = True
    return rest


def test_a_lone_task_does_not_wake_it() -> None:
    """The quickest way for a task that comes alone is a ring, and no act besides."""
    rest = asleep()

    for _ in range(3):
        assert worked(rest) is Next.GO_ON
        assert idled(rest) is Next.SLEEP


def test_work_in_two_rounds_in_a_row_wakes_it() -> None:
    rest = asleep()
    worked(rest)

    assert worked(rest) is Next.WAKE_UP


def test_asking_the_rows_is_not_work() -> None:
    """Else every end of a limited task would wake it, and the next end would not ring."""
    rest = asleep()

    assert {asked(rest), worked(rest), asked(rest)} == {Next.GO_ON}
    assert idled(rest) is Next.SLEEP


def test_awake_it_works_on_as_long_as_there_is_work() -> None:
    rest = Rest()

    assert {worked(rest) for _ in range(10)} == {Next.GO_ON}


def test_it_falls_asleep_after_some_naps_in_which_nothing_came() -> None:
    rest = Rest()
    naps = [idled(rest) for _ in range(NAPS_MAX)]

    assert set(naps) == {Next.NAP}
    assert idled(rest) is Next.FALL_ASLEEP


def test_work_after_every_other_nap_keeps_it_awake() -> None:
    rest = Rest()
    for _ in range(3 * NAPS_MAX):
        assert idled(rest) is Next.NAP
        assert idled(rest) is Next.NAP
        worked(rest)


def test_tasks_that_come_now_and_then_let_it_fall_asleep() -> None:
    """Each would wait for the end of a nap; asleep it is rung at once."""
    rest = Rest()
    ways: list[Next] = []
    while Next.FALL_ASLEEP not in ways:
        worked(rest)
        ways += [idled(rest) for _ in range(NAPS_UNDONE + 1)]
        assert len(ways) < 10 * NAPS_MAX


def test_it_falls_asleep_soon_when_only_a_worker_can_help() -> None:
    """Reports that are not urgent ring for a sleeper alone: slots would stay empty."""
    rest = Rest()

    assert idled(rest, is_short=True) is Next.NAP
    assert idled(rest, is_short=True) is Next.FALL_ASLEEP


def test_who_reads_reports_stays_awake_for_them() -> None:
    """Else every end would ring it, and wake all who listen."""
    rest, full = Rest(), Plan(is_short=True)

    naps = [rest.after_round(full, reads_reports=True) for _ in range(NAPS_MAX + 1)]

    assert naps == [Next.NAP] * NAPS_MAX + [Next.FALL_ASLEEP]


def test_beside_another_sleeper_it_naps_longer_each_time_and_never_too_long() -> None:
    rest = Rest()
    naps = []
    for _ in range(12):
        while idled(rest) is Next.NAP:
            pass
        naps.append(rest.nap)
        rest.could_not_fall_asleep()

    assert naps[0] == NAP
    assert naps == sorted(naps)
    assert naps[-1] == NAP_MAX
    worked(rest)
    assert rest.nap == NAP
