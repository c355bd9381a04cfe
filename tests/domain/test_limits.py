"""The limits of queues: what they hold back, for how long, and that no permit is ever lost."""

from random import Random

import pytest
from tests.domain.samples import NOON, SECOND, Worker, numbers, task_id, waiting
from tests.domain.test_supervisor import Desk

from fcs.domain.facts import (
    Held,
    HeldAsked,
    HeldCounted,
    Lane,
    LaneRead,
    Limit,
    QueueRules,
    QueuesRead,
    TakenBack,
    Waiting,
)
from fcs.domain.ids import TaskId
from fcs.domain.limits import ASK_INTERVAL, Limits, burst_of
from fcs.domain.supervisor import Plan

MAIL = Lane("mail", "baz", 0)
ANN = MAIL._replace(limit_key="ann")
BOB = MAIL._replace(limit_key="bob")


class LimitedDesk(Desk):
    """A desk with rows: what was dispatched there is held until somebody ends it."""

    def __init__(self, rules: QueueRules, *, slots: int = 100) -> None:
        super().__init__(Worker(7, slots=slots))
        self.held: dict[TaskId, Held] = {}
        for lane in (MAIL, ANN, BOB):
            self.learn(LaneRead(lane, None, [], exhausted=True))
        self.rule(rules)

    def rule(self, *rules: QueueRules) -> None:
        self.learn(QueuesRead(rules))

    def go(self) -> list[int]:
        """Do what the plan says until there is nothing to do; return what went out."""
        went_out: list[int] = []
        while not (plan := self.plan()).is_empty:
            went_out += self.carry_out(plan)
        return went_out

    def carry_out(self, plan: Plan) -> list[int]:
        self.answer(plan.assignments, *plan.assignments)
        for task, incarnation in plan.assignments:
            lane = task.lane
            self.held[task.id] = Held(task.id, lane.queue, lane.limit_key, incarnation)
        if plan.count:
            rows = [held for held in self.held.values() if held.queue in plan.count]
            self.learn(HeldCounted(plan.count, rows))
        if plan.ask:
            self.learn(HeldAsked(plan.ask, plan.ask & self.held.keys()))
        return numbers(assignment.task for assignment in plan.assignments)

    def end(self, *tasks: int) -> None:
        """Tasks end, and their worker says so."""
        for n in tasks:
            del self.held[task_id(n)]
        [worker] = self.workers
        worker.taken = worker.tasks_sent
        worker.busy = len(self.held)
        worker.report_no += 1
        self.learn(worker.report())


def mail(*ns: int, lane: Lane = MAIL) -> list[Waiting]:
    return [waiting(n, lane=lane) for n in ns]


def at_most(running_max: int) -> QueueRules:
    return QueueRules("mail", whole=Limit(running_max))


def test_no_more_go_out_than_may_run_at_once() -> None:
    desk = LimitedDesk(at_most(3))
    desk.find(*mail(1, 2, 3, 4, 5))

    assert desk.go() == [1, 2, 3]
    assert desk.plan() == Plan(wake_at=None, is_short=True)


def test_whoever_ends_makes_room_at_once() -> None:
    desk = LimitedDesk(at_most(3))
    desk.find(*mail(1, 2, 3, 4, 5, 6))
    desk.go()

    desk.end(2)
    assert desk.go() == [4]
    desk.end(1, 3)
    assert desk.go() == [5, 6]


def test_another_queue_is_not_held_back() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2), waiting(3))

    assert sorted(desk.go()) == [1, 3]


def test_rows_are_asked_only_when_a_limit_holds_something_back() -> None:
    desk = LimitedDesk(at_most(3))
    desk.find(*mail(1, 2))
    desk.go()
    desk.end(1)
    assert desk.plan().ask == frozenset()

    desk.find(*mail(3, 4))
    assert desk.go() == [3, 4]


def test_asking_in_vain_is_not_repeated() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2))
    desk.go()
    desk.end()  # a report that ends nothing

    plan = desk.plan()
    assert plan.ask == {task_id(1)}
    desk.carry_out(plan)
    assert desk.plan().is_empty


def test_news_about_one_queue_is_not_forgotten_while_another_is_full() -> None:
    desk = LimitedDesk(at_most(1))
    desk.rule(at_most(1), QueueRules("default", whole=Limit(1)))
    desk.find(*mail(1, 2), waiting(3))
    desk.go()

    desk.end(3)
    assert desk.go() == []  # `mail` was full and asked, `default` had nothing to do
    desk.find(waiting(4))
    assert desk.go() == [4]


def test_what_somebody_ended_in_silence_is_found_at_the_next_survey() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2))
    desk.go()
    del desk.held[task_id(1)]  # cancelled before it began
    assert desk.go() == []

    desk.survey()
    assert desk.go() == [2]


def test_what_somebody_ended_in_silence_is_found_at_the_next_rescan() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2))
    desk.go()
    del desk.held[task_id(1)]

    desk.supervisor.start_over()
    desk.learn(LaneRead(MAIL, None, mail(2), exhausted=True))
    desk.carry_out(desk.plan())
    assert numbers(a.task for a in desk.plan().assignments) == [2]


def test_what_was_handed_out_before_the_start_counts() -> None:
    """A supervisor that starts knows nothing of what its forerunner handed out."""
    desk = LimitedDesk(at_most(3))
    [worker] = desk.workers
    desk.held = {task_id(n): Held(task_id(n), "mail", "", worker.incarnation) for n in (1, 2)}
    desk.find(*mail(3, 4, 5))

    plan = desk.plan()
    assert not plan.assignments
    assert plan.count == {"mail"}
    assert desk.go() == [3]
    desk.end(1)
    assert desk.go() == [4]


def test_what_somebody_else_handed_out_counts_from_the_next_rescan_on() -> None:
    desk = LimitedDesk(at_most(2))
    desk.go()
    [worker] = desk.workers
    desk.held[task_id(9)] = Held(task_id(9), "mail", "", worker.incarnation)
    desk.supervisor.start_over()
    desk.learn(LaneRead(MAIL, None, mail(1, 2), exhausted=True))

    plan = desk.plan()
    assert plan.assignments == []
    desk.carry_out(plan)
    assert numbers(a.task for a in desk.plan().assignments) == [1]


def test_a_task_that_comes_back_gives_its_permit_back() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1))
    assert desk.go() == [1]

    desk.held.clear()
    desk.find(*mail(1))  # handed back: a hint made us look, and it is pending
    assert desk.go() == [1]

    desk.held.clear()
    desk.learn(TakenBack(mail(1), frozenset()))
    assert desk.go() == [1]


def test_a_task_that_goes_out_again_is_counted_once() -> None:
    desk = LimitedDesk(at_most(2))
    desk.find(*mail(1))
    assert desk.go() == [1]

    desk.held.clear()
    desk.learn(LaneRead(MAIL, None, mail(1, 2), exhausted=True))  # nobody had told that it is back
    assert desk.go() == [1, 2]


def test_a_refused_dispatch_keeps_no_permit() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2))
    plan = desk.plan()
    desk.carry_out(plan)  # counts first
    assignments = desk.plan().assignments
    desk.answer(assignments)  # deleted meanwhile
    desk.survey()

    assert desk.go() == [2]


def test_each_limit_key_has_a_limit_of_its_own() -> None:
    desk = LimitedDesk(QueueRules("mail", per_key=Limit(1)))
    desk.find(*mail(1, 2, 3, lane=ANN), *mail(4, 5, lane=BOB), *mail(6, 7))

    # Tasks without a key share no limit.
    assert sorted(desk.go()) == [1, 4, 6, 7]
    desk.end(4)
    assert desk.go() == [5]


def test_the_limit_of_the_queue_holds_for_all_its_keys() -> None:
    desk = LimitedDesk(QueueRules("mail", whole=Limit(2), per_key=Limit(1)))
    desk.find(*mail(1, 2, lane=ANN), *mail(3, lane=BOB), *mail(4))

    assert desk.go() == [1, 3]
    desk.end(1)
    assert desk.go() == [2]


def test_nothing_goes_out_of_a_paused_queue_until_it_is_resumed() -> None:
    desk = LimitedDesk(QueueRules("mail", is_paused=True))
    desk.find(*mail(1, 2), waiting(3))
    assert desk.go() == [3]
    assert desk.plan() == Plan(wake_at=None, is_short=True)

    desk.rule()
    assert desk.go() == [1, 2]


def test_a_limit_can_be_changed_while_it_is_full() -> None:
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2, 3, 4))
    desk.go()

    desk.rule(at_most(3))
    assert desk.go() == [2, 3]
    desk.rule(at_most(1))
    desk.end(1, 2)
    assert desk.go() == []
    desk.end(3)
    assert desk.go() == [4]


def test_reading_the_same_rules_again_changes_nothing() -> None:
    desk = LimitedDesk(QueueRules("mail", whole=Limit(1, rate=1, burst=1)))
    desk.go()
    desk.at = 1.0
    desk.rule(QueueRules("mail", whole=Limit(1, rate=1, burst=1), is_paused=True))
    desk.rule(QueueRules("mail", whole=Limit(1, rate=1, burst=1)))
    assert desk.plan().count == frozenset()

    desk.find(*mail(1, 2))
    assert desk.go() == [1]


# Rates


def limited(rate: float, burst: int | None = None) -> LimitedDesk:
    return LimitedDesk(QueueRules("mail", whole=Limit(rate=rate, burst=burst)), slots=1_000_000)


def test_a_bucket_is_empty_at_the_start_so_that_no_burst_comes_twice() -> None:
    desk = limited(2, burst=5)
    desk.find(*mail(1, 2, 3))
    assert desk.go() == []
    assert desk.plan().wake_at == NOON + 0.5 * SECOND

    desk.at = 0.5
    assert desk.go() == [1]
    assert desk.plan().wake_at == NOON + SECOND


def test_what_was_not_used_is_saved_up_to_the_burst() -> None:
    desk = limited(2, burst=5)
    desk.at = 60.0
    desk.find(*mail(*range(1, 20)))

    assert len(desk.go()) == 5
    desk.at = 61.0
    assert len(desk.go()) == 2


@pytest.mark.parametrize(("rate", "burst"), [(50, 50), (0.5, 1), (2.5, 3)])
def test_the_usual_burst_is_what_comes_in_a_second(rate: float, burst: int) -> None:
    assert burst_of(Limit(rate=rate)) == burst


def test_a_key_nobody_has_seen_has_a_full_bucket_and_each_key_its_own() -> None:
    desk = LimitedDesk(QueueRules("mail", per_key=Limit(rate=0.1, burst=2)))
    desk.at = 100.0
    desk.find(*mail(1, 2, 3, lane=ANN), *mail(4, lane=BOB))

    assert sorted(desk.go()) == [1, 2, 4]
    assert desk.plan().wake_at == NOON + 110 * SECOND


def test_buckets_that_are_full_again_are_forgotten_without_a_difference() -> None:
    """BOUND: a key for each customer."""
    rules = QueueRules("mail", per_key=Limit(rate=1, burst=2))
    desk = LimitedDesk(rules)
    desk.at = 10.0
    desk.find(*mail(1, 2, lane=ANN), *mail(3, lane=BOB))
    desk.go()
    desk.at = 11.5
    desk.rule(rules)  # BOB's is full again, ANN's is not

    desk.find(*mail(4, 5, lane=ANN), *mail(6, 7, 8, lane=BOB))
    assert sorted(desk.go()) == [4, 6, 7]


def test_what_is_over_or_without_rules_is_not_remembered() -> None:
    """BOUND: keys come and go, and so do rules."""
    limits = Limits()
    rules = QueueRules("mail", per_key=Limit(5, rate=1, burst=2))
    limits.read([rules], at=0.0)
    for n in range(100):
        lane = MAIL._replace(limit_key=str(n))
        limits.take(task_id(n), lane, Worker(7).incarnation, at=10.0)
    assert len(limits._buckets) == len(limits._held) == 100

    limits.read([rules], at=11.0)
    assert not limits._buckets
    limits.read([], at=12.0)
    assert not limits._held
    assert not limits._running


@pytest.mark.parametrize("seed", range(20))
def test_any_stretch_of_time_lets_through_what_the_rate_says(seed: int) -> None:
    """Whenever the supervisor happens to look: never more, and no less while there is work."""
    rng = Random(seed)
    rate, burst = rng.choice([0.3, 7, 50]), rng.choice([1, 5, 50])
    desk = limited(rate, burst)
    serial, went_out = 0, list[float]()
    while desk.at < 10:
        serial += 1
        desk.find(*mail(serial, 100_000 + serial, 200_000 + serial))
        went_out += [desk.at] * len(desk.go())
        desk.at += rng.uniform(0, 1 / rate)

    for first in range(len(went_out)):
        for last in range(first, len(went_out), 7):
            let_through = last - first + 1
            assert let_through <= burst + rate * (went_out[last] - went_out[first]) + 1e-6
    if burst > 1 and rate > 1:
        assert len(went_out) >= rate * 10 - 2


def test_fifty_a_second_for_ten_seconds_are_five_hundred() -> None:
    desk = limited(50)
    desk.find(*mail(*range(1, 1_000)))
    went_out = 0
    while desk.at < 10:
        went_out += len(desk.go())
        wake_at = desk.plan().wake_at
        assert wake_at is not None
        desk.at = (wake_at - NOON).total_seconds() + 0.001  # a timer is a little late
    assert abs(went_out - 500) <= 1


# By seed


class Rows:
    """What Postgres knows of one limited queue, and several supervisors, one after the other."""

    desk: LimitedDesk

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.whole, self.each = self.rng.choice([(3, None), (None, 2), (4, 2), (1, 1)])
        self.made = 0
        self.pending: dict[TaskId, Waiting] = {}
        self.begin()

    def begin(self) -> None:
        """A supervisor starts; the rows are as its forerunner left them."""
        rules = QueueRules("mail", whole=Limit(self.whole), per_key=Limit(self.each))
        held = self.desk.held if self.made else {}
        self.desk = LimitedDesk(rules)
        self.desk.supervisor.start_over()
        self.desk.held = held
        self.desk.find(*self.pending.values())

    def step(self) -> None:
        acts = [self.create, self.end, self.end_in_silence, self.hand_back, self.plan,
                self.die_in_the_middle, self.restart, self.rescan]  # fmt: skip
        self.rng.choices(acts, [6, 8, 1, 2, 12, 0.5, 0.5, 1])[0]()
        self.check()

    def create(self) -> None:
        self.made += 1
        task = waiting(self.made, lane=self.rng.choice([MAIL, ANN, BOB]))
        self.pending[task.id] = task
        self.desk.find(task)

    def end(self) -> None:
        if held := list(self.desk.held):
            self.desk.end(self.rng.choice(held).int)

    def end_in_silence(self) -> None:
        if held := list(self.desk.held):
            del self.desk.held[self.rng.choice(held)]

    def hand_back(self) -> None:
        if held := list(self.desk.held.values()):
            back = self.rng.choice(held)
            task = waiting(back.id.int, lane=MAIL._replace(limit_key=back.limit_key))
            del self.desk.held[task.id]
            self.pending[task.id] = task
            self.desk.find(task)

    def plan(self) -> None:
        plan = self.desk.plan()
        for read, after in plan.reads:
            own = [task for task in self.pending.values() if task.lane == read]
            self.desk.learn(LaneRead(read, after, sorted(own), exhausted=True))
        for n in self.desk.carry_out(plan):
            del self.pending[task_id(n)]

    def die_in_the_middle(self) -> None:
        """It has dispatched, and never learned of the answer."""
        self.plan()
        self.begin()

    def restart(self) -> None:
        self.begin()

    def rescan(self) -> None:
        self.desk.supervisor.start_over()

    def check(self) -> None:
        held = self.desk.held.values()
        if self.whole is not None:
            assert len(held) <= self.whole
        if self.each is not None:
            for key in ("ann", "bob"):
                assert sum(row.limit_key == key for row in held) <= self.each

    def settle(self) -> None:
        self.desk.survey()
        for _ in range(3 * self.made + 10):
            self.plan()
            self.check()
            self.end()
        assert not self.pending


@pytest.mark.parametrize("block", range(5))
def test_limits_are_never_exceeded_and_no_permit_is_lost(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        rows = Rows(seed)
        for _ in range(300):
            rows.step()
        assert rows.made > 20
        rows.settle()


def test_what_keeps_a_limit_full_is_asked_for_although_no_end_was_told() -> None:
    """While the supervisor is awake not every end rings."""
    desk = LimitedDesk(at_most(1))
    desk.find(*mail(1, 2))
    desk.go()
    del desk.held[task_id(1)]
    assert desk.go() == []

    desk.at += ASK_INTERVAL
    assert desk.go() == [2]
