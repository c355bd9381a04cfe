"""The roster: free slots are never invented and never leaked, whatever becomes of the mail."""

from collections import Counter
from random import Random

import pytest
from tests.domain.samples import LANE, Worker

from fcs.domain.facts import Lane, WorkerReported
from fcs.domain.ids import Incarnation
from fcs.domain.roster import FORGED_BEATS, SKIP_FOR, STRIKES_MAX, Openings, Roster
from fcs.domain.strategy import SHARE_MAX

LEASE = 5.0


def roster_of(*workers: Worker, at: float = 0) -> Roster:
    roster = Roster(lease=LEASE)
    roster.survey([worker.row() for worker in workers], at)
    return roster


def free(roster: Roster, worker: Worker, *, at: float = 0) -> int:
    """How many tasks of the usual lane this worker would be given now."""
    openings = roster.openings(at, Random(1))
    given = 0
    while openings.has_slot(LANE):
        given += openings.take_slot() == worker.incarnation
    return given


def taken(openings: Openings, lane: Lane) -> Incarnation:
    assert openings.has_slot(lane)
    return openings.take_slot()


def test_a_worker_is_given_as_many_tasks_as_it_has_slots() -> None:
    worker = Worker(1, slots=4)

    assert free(roster_of(worker), worker) == 4


def test_what_is_under_way_counts_as_busy() -> None:
    worker = Worker(1, slots=4)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 3, 0)

    assert free(roster, worker) == 1


def test_a_report_that_crossed_an_assignment_frees_no_slot() -> None:
    worker = Worker(1, slots=1)
    roster = roster_of(worker)
    crossed = worker.report()
    roster.sent(worker.incarnation, 1, 0)

    roster.hear(crossed, 0)

    assert free(roster, worker) == 0


def test_a_report_frees_the_slot_of_a_task_that_was_taken_and_finished() -> None:
    worker = Worker(1, slots=1)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 1, 0)
    worker.take()
    roster.hear(worker.report(), 0)
    assert free(roster, worker) == 0

    worker.finish()
    roster.hear(worker.report(), 0)
    assert free(roster, worker) == 1


def test_a_report_heard_twice_is_the_same_report() -> None:
    """F-67: "one slot became free" sent twice would be two slots."""
    worker = Worker(1, slots=2)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 2, 0)
    worker.take(2)
    worker.finish()
    for _ in range(3):
        roster.hear(worker.report(), 0)

    assert free(roster, worker) == 1


def test_a_late_report_is_older_news() -> None:
    worker = Worker(1, slots=1)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 2, 0)
    worker.take()
    worker.finish()
    late = worker.report()
    worker.take()
    roster.hear(worker.report(), 0)

    roster.hear(late, 0)

    assert free(roster, worker) == 0


def test_a_lost_report_hides_a_slot_only_until_the_next_look_at_the_row() -> None:
    """F-67: in the seed one lost "idle" message and the worker is never used again."""
    worker = Worker(1, slots=1)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 1, 0)
    worker.tasks_sent = 1
    worker.take()
    worker.finish()
    assert free(roster, worker) == 0

    worker.beat()
    roster.survey([worker.row()], 1)

    assert free(roster, worker) == 1


def test_a_row_older_than_the_last_report_takes_nothing_back() -> None:
    worker = Worker(1, slots=1)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 1, 0)
    worker.tasks_sent = 1
    worker.take()
    roster.hear(worker.report(), 0)
    worker.finish()
    roster.hear(worker.report(), 0)

    roster.survey([worker.row()], 1)

    assert free(roster, worker) == 1


def test_what_another_supervisor_sent_is_known_by_the_row() -> None:
    worker = Worker(1, slots=3)
    roster = roster_of(worker)
    worker.tasks_sent = 2

    roster.survey([worker.row()], 1)

    assert free(roster, worker) == 1


def test_a_report_from_a_stranger_means_nothing() -> None:
    known, stranger = Worker(1), Worker(2)
    roster = roster_of(known)
    roster.hear(stranger.report(), 0)
    roster.sent(stranger.incarnation, 1, 0)
    roster.doubt(stranger.incarnation)
    roster.strike(stranger.incarnation, 0)

    assert len(roster) == 1
    assert free(roster, stranger) == 0


def test_who_is_no_longer_surveyed_is_gone() -> None:
    worker = Worker(1)
    roster = roster_of(worker)
    roster.survey([], 1)

    assert (len(roster), free(roster, worker)) == (0, 0)


@pytest.mark.parametrize("state", ["draining", "lost", "gone"])
def test_only_a_live_worker_is_given_tasks(state: str) -> None:
    """F-48: who drains asks for no more."""
    worker = Worker(1, state=state)

    assert free(roster_of(worker), worker) == 0


def test_who_was_silent_for_a_lease_is_given_nothing_until_it_has_beaten() -> None:
    """Also by one that has only just begun to supervise, and may not call it lost so soon."""
    worker = Worker(1, slots=4, silent=LEASE - 0.1)
    assert free(roster_of(worker), worker) == 4

    worker.silent = LEASE
    roster = roster_of(worker)
    assert free(roster, worker) == 0
    assert not roster.has_slot(worker.incarnation, 0)

    worker.silent = 0.2
    roster.survey([worker.row()], 1)
    assert free(roster, worker, at=1) == 4


def test_more_busy_than_slots_is_not_free() -> None:
    worker = Worker(1, slots=1)
    worker.take(3)
    worker.beat()

    assert free(roster_of(worker), worker) == 0


@pytest.mark.parametrize("busy", [0, 2**61])
def test_a_forged_report_is_healed_by_the_beats_of_the_real_one(busy: int) -> None:
    """F-68: anybody may notify. A forged report may hide a slot or invent one for so long."""
    worker = Worker(1, slots=2)
    worker.tasks_sent = 1
    worker.take()
    worker.beat()
    roster = roster_of(worker)
    roster.hear(WorkerReported(worker.incarnation, 2**61, busy, tasks_taken=2**61), 0)
    assert free(roster, worker) != 1

    for beat in range(FORGED_BEATS):
        assert free(roster, worker) != 1, beat
        worker.beat()
        roster.survey([worker.row()], beat)

    assert free(roster, worker) == 1


def test_a_real_report_is_not_taken_for_a_forged_one() -> None:
    """The row is only as new as the last beat."""
    worker = Worker(1, slots=1)
    roster = roster_of(worker)
    for at in range(20):
        roster.sent(worker.incarnation, 1, at)
        worker.tasks_sent += 1
        worker.beat()
        worker.take()
        worker.finish()
        roster.hear(worker.report(), at)
        roster.survey([worker.row()], at)

        assert free(roster, worker) == 1


def test_a_worker_that_refused_is_left_alone_until_its_row_was_read_again() -> None:
    worker = Worker(1)
    roster = roster_of(worker)
    roster.doubt(worker.incarnation)
    assert free(roster, worker) == 0

    roster.survey([worker.row()], 1)
    assert free(roster, worker) == 1


def test_who_leaves_dispatches_unanswered_in_a_row_is_skipped_for_a_while() -> None:
    """F-35, F-66: a deaf worker that beats attracts tasks for ever."""
    worker = Worker(1)
    roster = roster_of(worker)
    for strike in range(STRIKES_MAX):
        assert free(roster, worker, at=strike) == 1
        roster.strike(worker.incarnation, strike)

    last = STRIKES_MAX - 1
    assert free(roster, worker, at=last) == 0
    assert free(roster, worker, at=last + SKIP_FOR - 0.1) == 0
    assert free(roster, worker, at=last + SKIP_FOR) == 1


def test_an_answer_ends_a_row_of_strikes() -> None:
    worker = Worker(1, slots=9)
    roster = roster_of(worker)
    for at in range(5):
        for _ in range(STRIKES_MAX - 1):
            roster.strike(worker.incarnation, at)
        assert free(roster, worker, at=at) > 0

        worker.take()
        worker.finish()
        roster.hear(worker.report(), at)


def test_a_report_of_nothing_taken_is_no_answer() -> None:
    """F-34, F-35: the heart beats, and the work does not."""
    worker = Worker(1, slots=9)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 1, 0)
    for at in range(STRIKES_MAX):
        worker.report_no += 1
        roster.hear(worker.report(), at)
        roster.strike(worker.incarnation, at)

    assert free(roster, worker, at=STRIKES_MAX) == 0
    worker.report_no += 1
    roster.hear(worker.report(), 99)
    assert roster.unanswered(100, 3) == [worker.incarnation]


def test_after_being_skipped_the_strikes_are_counted_anew() -> None:
    worker = Worker(1)
    roster = roster_of(worker)
    for _ in range(STRIKES_MAX):
        roster.strike(worker.incarnation, 0)
    for _ in range(STRIKES_MAX - 1):
        roster.strike(worker.incarnation, SKIP_FOR)

    assert free(roster, worker, at=SKIP_FOR) == 1


def test_who_has_dispatches_under_way_for_long_is_unanswered() -> None:
    quick, slow, idle = Worker(1, slots=3), Worker(2, slots=3), Worker(3)
    roster = roster_of(quick, slow, idle)
    roster.sent(quick.incarnation, 2, 10)
    roster.sent(slow.incarnation, 2, 10)
    quick.take()
    roster.hear(quick.report(), 11)
    roster.sent(slow.incarnation, 1, 12)  # more of the same does not make it quicker

    assert roster.unanswered(12.9, 3) == []
    assert roster.unanswered(13, 3) == [slow.incarnation]
    assert set(roster.unanswered(14, 3)) == {quick.incarnation, slow.incarnation}


def test_after_a_strike_the_wait_begins_anew() -> None:
    worker = Worker(1)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 1, 0)
    roster.strike(worker.incarnation, 10)

    assert roster.unanswered(12.9, 3) == []
    assert roster.unanswered(13, 3) == [worker.incarnation]


def test_a_new_supervisor_gives_every_worker_time() -> None:
    worker = Worker(1)
    worker.tasks_sent = 1
    roster = roster_of(worker, at=100)

    assert roster.unanswered(102.9, 3) == []
    assert roster.unanswered(103, 3) == [worker.incarnation]


def test_a_patient_wait_begins_with_the_first_dispatch_under_way() -> None:
    worker = Worker(1)
    roster = roster_of(worker)
    roster.sent(worker.incarnation, 1, 100)

    assert roster.unanswered(102.9, 3) == []


def test_a_task_goes_to_a_worker_that_knows_its_type() -> None:
    """F-06: an old image that does not know the type would burn the one execution."""
    foo, both = Worker(1, types=("foo",)), Worker(2, types=("foo", "baz"))
    roster = roster_of(foo, both)

    for _ in range(50):
        openings = roster.openings(0, Random(1))
        assert taken(openings, LANE) == both.incarnation
    assert not roster.openings(0, Random(1)).has_slot(LANE._replace(ty="qux"))


def test_a_task_goes_to_a_worker_that_serves_its_queue() -> None:
    mail, every = Worker(1, queues=("mail",)), Worker(2)
    roster = roster_of(mail, every)

    assert taken(roster.openings(0, Random(1)), LANE) == every.incarnation
    in_mail = roster.openings(0, Random(1))
    both = {taken(in_mail, LANE._replace(queue="mail")) for _ in range(2)}
    assert both == {mail.incarnation, every.incarnation}


def test_choice_is_random_among_the_unoccupied_and_reaches_them_all() -> None:
    workers = [Worker(n, slots=2) for n in range(5)]
    workers[0].take(2)
    workers[0].beat()
    roster = roster_of(*workers)
    rng = Random(1)

    first = Counter(taken(roster.openings(0, rng), LANE) for _ in range(4_000))

    assert set(first) == {worker.incarnation for worker in workers[1:]}
    assert min(first.values()) > 850


def in_order(roster: Roster, tasks: int, *, due: int) -> list[Incarnation]:
    """Who is given so many tasks, of at least `due` that there are."""
    openings = roster.openings(0, Random(1), due=due)
    return [taken(openings, LANE) for _ in range(tasks)]


@pytest.mark.parametrize(("due", "share"), [(0, 1), (3, 1), (80, 20), (1_000_000, SHARE_MAX)])
def test_where_tasks_are_many_a_worker_gets_an_even_share_of_them_in_a_row(
    due: int, share: int
) -> None:
    """Each batch costs its worker a statement and a commit, however small it is."""
    given = in_order(roster_of(*(Worker(n, slots=1_000) for n in range(4))), 400, due=due)

    batches = [set(given[start : start + share]) for start in range(0, 400, share)]
    assert all(len(batch) == 1 for batch in batches)
    assert len(set(given)) == 4
    if share > 1:
        assert len(set(given[: 4 * share])) == 4, "each in its turn"


def test_an_even_share_exceeds_nobody_s_slots() -> None:
    workers = [Worker(n, slots=3) for n in range(4)]

    given = Counter(in_order(roster_of(*workers), 12, due=80))

    assert given == {worker.incarnation: 3 for worker in workers}


def test_shares_are_kept_where_types_take_turns() -> None:
    workers = [Worker(n, slots=1_000, types=("foo", "baz")) for n in range(4)]
    openings = roster_of(*workers).openings(0, Random(1), due=80)

    given = [(taken(openings, LANE), taken(openings, LANE._replace(ty="foo"))) for _ in range(20)]

    assert len({first for first, _ in given}) == len({second for _, second in given}) == 1


def test_slots_of_one_moment_are_shared_by_all_lanes() -> None:
    worker = Worker(1, slots=2, types=("foo", "baz"))
    openings = roster_of(worker).openings(0, Random(1))

    taken(openings, LANE)
    taken(openings, LANE._replace(ty="foo"))

    assert not openings.has_slot(LANE)
    assert not openings.has_slot(LANE._replace(ty="foo"))
