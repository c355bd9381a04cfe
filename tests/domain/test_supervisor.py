"""The supervisor's judgement, by hand: facts in, a plan out."""

from random import Random

import pytest
from tests.domain.samples import LANE, NOON, SECOND, Worker, numbers, waiting

from fcs.domain.facts import (
    Assignment,
    Dispatched,
    Fact,
    LaneRead,
    LanesListed,
    Overdue,
    Place,
    TakenBack,
    TasksFound,
    Waiting,
    WorkersSurveyed,
)
from fcs.domain.roster import SKIP_FOR, STRIKES_MAX
from fcs.domain.settings import Settings
from fcs.domain.share import Share
from fcs.domain.strategy import Strategy
from fcs.domain.supervisor import BATCH_MAX, Plan, Supervisor, refused


class Desk:
    """A supervisor at noon, which has read that there is nothing to do."""

    def __init__(self, *workers: Worker, share: Share | None = None) -> None:
        self.supervisor = Supervisor(Settings(), rng=Random(1), share=share)
        self.at = 0.0
        self.workers = workers
        self.learn(LaneRead(LANE, None, [], exhausted=True))
        self.survey()

    def learn(self, fact: Fact) -> None:
        self.supervisor.learn(fact, at=self.at)

    def find(self, *tasks: Waiting) -> None:
        self.learn(TasksFound(tasks))

    def survey(self) -> None:
        self.learn(WorkersSurveyed([worker.row() for worker in self.workers]))

    def plan(self) -> Plan:
        return self.supervisor.plan(NOON + self.at * SECOND, at=self.at)

    def assigned(self) -> list[int]:
        """Plan, and let the database take everything."""
        assignments = self.plan().assignments
        self.answer(assignments, *assignments)
        return numbers(assignment.task for assignment in assignments)

    def answer(self, assignments: list[Assignment], *accepted: Assignment) -> None:
        ids = frozenset(assignment.task.id for assignment in accepted)
        self.learn(Dispatched(assignments, ids))
        for worker in self.workers:
            worker.tasks_sent += sum(a.incarnation == worker.incarnation for a in accepted)


@pytest.fixture
def worker() -> Worker:
    return Worker(7)


@pytest.fixture
def desk(worker: Worker) -> Desk:
    return Desk(worker)


def test_a_due_task_goes_to_a_free_worker(desk: Desk, worker: Worker) -> None:
    desk.find(waiting(1))

    assert desk.plan() == Plan([Assignment(waiting(1), worker.incarnation)], [], wake_at=None)


def test_a_due_task_waits_for_a_free_slot(desk: Desk, worker: Worker) -> None:
    desk.find(waiting(1), waiting(2))
    assert desk.assigned() == [1]
    assert desk.assigned() == []

    worker.take()
    desk.learn(worker.report())
    assert desk.assigned() == []

    worker.finish()
    desk.learn(worker.report())
    assert desk.assigned() == [2]


def test_a_plan_that_was_not_carried_out_yet_is_not_made_twice(desk: Desk) -> None:
    desk.find(waiting(1))

    assert desk.plan().assignments
    assert desk.plan().assignments == []


def test_it_wakes_up_when_the_next_task_falls_due(desk: Desk) -> None:
    desk.find(waiting(1, due=5), waiting(2, due=3))
    assert desk.plan() == Plan([], [], wake_at=NOON + 3 * SECOND)

    desk.at = 3.0
    assert desk.plan().wake_at == NOON + 5 * SECOND


def test_without_workers_it_does_not_spin() -> None:
    """F-69: what is due waits for a worker; only a fact can help."""
    desk = Desk()
    desk.find(waiting(1))

    assert desk.plan() == Plan([], [], wake_at=None, is_short=True)
    assert desk.supervisor.tasks_known == 1


def test_a_stream_of_unscheduled_tasks_does_not_starve_what_was_scheduled(
    desk: Desk, worker: Worker
) -> None:
    """F-60: the seed lets every unscheduled task go first, so a steady stream starves the rest."""
    desk.find(waiting(1, due=10.5))
    went_out: list[int] = []
    for second in range(20):
        desk.at = float(second)
        desk.find(waiting(100 + second, due=second), waiting(200 + second, due=second))
        went_out += desk.assigned()
        worker.take()
        worker.finish()
        desk.learn(worker.report())

    # Two come in each second and one goes out, so the queue grows. It waits for its turn only.
    desk.find(*(waiting(300 + n, due=20) for n in range(30)))
    for _ in range(40):
        went_out += desk.assigned()
        worker.take()
        worker.finish()
        desk.learn(worker.report())
    assert went_out[22] == 1  # after the twenty-two that fell due before it


def test_a_lost_race_costs_no_slot(desk: Desk) -> None:
    """F-04: the seed takes the chosen worker out of the idle set and never puts it back."""
    for n in range(1, 1_000):
        desk.find(waiting(n))
        assignments = desk.plan().assignments
        assert numbers(a.task for a in assignments) == [n]
        desk.answer(assignments)  # somebody else has it
        desk.find()


def test_a_task_that_the_worker_could_not_get_is_offered_elsewhere(desk: Desk) -> None:
    """Its row was not live any more; its task is still pending."""
    desk.find(waiting(1))
    assignments = desk.plan().assignments
    desk.answer(assignments)
    desk.find(waiting(1))
    assert desk.assigned() == []  # nobody else is there, and asking again would be a hot loop

    newcomer = Worker(8)
    desk.workers = (newcomer,)
    desk.survey()
    [again] = desk.plan().assignments
    assert again == Assignment(waiting(1), newcomer.incarnation)


def test_a_doubtful_worker_is_trusted_after_the_next_survey(desk: Desk) -> None:
    desk.find(waiting(1))
    desk.answer(desk.plan().assignments)
    desk.find(waiting(1))
    assert desk.assigned() == []

    desk.survey()
    assert desk.assigned() == [1]


def test_a_worker_that_got_something_is_not_doubtful() -> None:
    desk = Desk(Worker(1, slots=3))
    desk.find(waiting(1), waiting(2))
    first, second = desk.plan().assignments
    desk.answer([first, second], first)
    desk.find(second.task)

    assert desk.assigned() == [2]


def test_a_doubt_is_about_the_last_dispatch_only() -> None:
    desk = Desk(Worker(1, slots=3))
    desk.find(waiting(1))
    desk.answer(desk.plan().assignments)
    desk.find(waiting(2))
    assert desk.assigned() == [2]

    desk.find(waiting(1))  # a late hint
    assert desk.assigned() == [1]


def test_a_task_taken_back_goes_out_again_and_its_worker_has_a_strike() -> None:
    deaf, other = Worker(1, slots=9), Worker(2)
    desk = Desk(deaf)
    for n in range(STRIKES_MAX):
        desk.find(waiting(n))
        assert desk.assigned() == [n]
        deaf.tasks_sent -= 1
        desk.learn(TakenBack([waiting(n)], frozenset({deaf.incarnation})))
        if n < STRIKES_MAX - 1:
            assert desk.assigned() == [n]

    assert desk.assigned() == []
    desk.workers = (deaf, other)
    desk.survey()
    [assignment] = desk.plan().assignments
    assert assignment.incarnation == other.incarnation

    desk.answer([assignment], assignment)
    desk.at += SKIP_FOR
    desk.find(waiting(50))
    assert desk.assigned() == [50]


def test_lanes_that_were_listed_are_read() -> None:
    desk = Desk()
    other = LANE._replace(ty="foo")
    desk.learn(LanesListed([LANE, other]))

    assert desk.plan().reads == [(other, None)]
    assert desk.supervisor.plan_reads(NOON) == [(other, None)]


def test_a_new_start_reads_every_lane_from_its_head(desk: Desk) -> None:
    desk.learn(LaneRead(LANE, None, [waiting(1, due=5)], exhausted=True))
    desk.supervisor.look_further()
    assert desk.plan().reads == []
    desk.at = 5.0
    assert desk.assigned() == [1]
    assert desk.plan().reads == [(LANE, Place(NOON + 5 * SECOND, waiting(1).id))]

    desk.supervisor.start_over()
    assert desk.plan().reads == [(LANE, None)]


def test_one_plan_is_no_longer_than_a_batch() -> None:
    desk = Desk(Worker(1, slots=10 * BATCH_MAX))
    desk.find(*(waiting(n) for n in range(BATCH_MAX + 1)))

    assert len(desk.assigned()) == BATCH_MAX
    assert len(desk.assigned()) == 1


def test_workers_with_dispatches_under_way_for_long_are_named(desk: Desk, worker: Worker) -> None:
    """F-65: in the seed such a task stays dispatched for ever."""
    desk.find(waiting(1))
    assert desk.assigned() == [1]

    assert desk.supervisor.unanswered(2.9) == []
    assert desk.supervisor.unanswered(3.0) == [worker.incarnation]


def test_the_same_facts_give_the_same_plan() -> None:
    plans = []
    for _ in range(2):
        desk = Desk(*(Worker(n, slots=3) for n in range(5)))
        desk.find(*(waiting(n) for n in range(10)))
        plans.append(desk.plan())

    assert plans[0] == plans[1]
    assert len({a.incarnation for a in plans[0].assignments}) > 1


def test_what_was_refused_is_what_was_not_accepted(desk: Desk, worker: Worker) -> None:
    mine, others = (Assignment(waiting(n), worker.incarnation) for n in (1, 2))

    assert refused([mine, others], frozenset({mine.task.id})) == [others]


def test_it_can_tell_how_much_it_knows(desk: Desk) -> None:
    desk.find(waiting(1), waiting(2))

    assert (desk.supervisor.tasks_known, desk.supervisor.workers_known) == (2, 1)
    assert desk.supervisor.lane_share == Settings().window


def test_a_strategy_is_followed_from_the_next_plan_on() -> None:
    """A cluster can be told while it works, and told otherwise."""
    desk = Desk(*(Worker(n, slots=100) for n in range(10)))
    lane = LANE._replace(limit_key="customer-1")
    desk.learn(LaneRead(lane, None, [], exhausted=True))

    def used(first: int, strategy: Strategy) -> int:
        desk.supervisor.follow(strategy)
        desk.find(*(waiting(n, lane=lane) for n in range(first, first + 9)))
        assignments = desk.plan().assignments
        desk.answer(assignments, *assignments)
        return len({assignment.incarnation for assignment in assignments})

    assert used(10, Strategy.STICKY) == 1
    assert used(20, Strategy.LEAST_LOADED) == 9
    assert used(30, Strategy.STICKY) == 1
    assert used(40, Strategy.RANDOM) > 1


# One of many


def one_of(*workers: Worker) -> Desk:
    """What the first of these workers hands out to itself."""
    me = workers[0].row()
    desk = Desk(*workers, share=Share(me.id, me.incarnation))
    desk.learn(LaneRead(LANE, None, [], exhausted=True))
    return desk


def test_it_hands_out_to_its_own_worker_alone_and_only_what_falls_to_it() -> None:
    workers = Worker(1, slots=100), Worker(2, slots=100)
    tasks = [waiting(n) for n in range(0, 4_000, 50)]
    assigned = []
    for own in workers, workers[::-1]:
        desk = one_of(*own)
        desk.find(*tasks)
        assignments = desk.plan().assignments
        assert {assignment.incarnation for assignment in assignments} == {own[0].incarnation}
        assigned += [assignment.task for assignment in assignments]

    assert sorted(assigned) == tasks


def test_when_others_are_gone_it_reads_for_what_was_theirs() -> None:
    desk = one_of(Worker(1), Worker(2))
    assert desk.plan().reads == []

    desk.workers = desk.workers[:1]
    desk.survey()
    assert desk.plan().reads == [(LANE, None)]


def test_it_takes_up_what_others_leave() -> None:
    desk = one_of(Worker(1, slots=100), Worker(2))
    tasks = [waiting(n) for n in range(0, 4_000, 50)]
    desk.learn(Overdue(tasks))

    assert sorted(assignment.task for assignment in desk.plan().assignments) == tasks


def test_it_does_not_read_where_nothing_can_fall_to_it() -> None:
    """However long such a lane is, there is nothing in it to be found."""
    foo = LANE._replace(ty="foo")
    desk = one_of(Worker(1), Worker(2, types=("foo",)))
    desk.learn(LanesListed([LANE, foo]))
    desk.supervisor.look_further()

    assert desk.plan().reads == [(LANE, None)]
    desk.learn(LaneRead(foo, None, [], exhausted=True))
    desk.learn(LaneRead(LANE, None, [], exhausted=True))
    assert [lane for lane, _ in desk.supervisor.to_look_at(NOON)] == [LANE]


def test_what_it_takes_back_from_another_and_cannot_do_it_leaves_to_others() -> None:
    foo = LANE._replace(ty="foo")
    silent = Worker(2, types=("foo",))
    desk = one_of(Worker(1), silent)
    desk.learn(TakenBack([waiting(1, lane=foo)], frozenset({silent.incarnation})))

    assert desk.supervisor.tasks_known == 0
