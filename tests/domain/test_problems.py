"""The problems of a cluster in words: each is told when it is there, and only then."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from tests.domain.samples import led, unled

from fcs.domain.cluster import ClusterView
from fcs.domain.facts import Lane
from fcs.domain.problems import ClusterProblem, find_problems, in_words
from fcs.domain.topology import Mode

NOON = datetime(2018, 1, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
COUNT_MAX = 1_000


LED = led()


class Head(NamedTuple):
    lane: Lane
    due: int = 1
    scheduled: int = 0
    oldest_due_at: datetime | None = NOON


class Row(NamedTuple):
    id: UUID = UUID(int=7)
    state: str = "live"
    host: str = "ann"
    slots_total: int = 4
    slots_busy: int = 0
    queues: Sequence[str] = ()
    types: Sequence[str] = ("send_mail",)
    silent: float = 0.5


class Ruled(NamedTuple):
    name: str = "default"
    due: int = 0
    paused_at: datetime | None = None
    paused_by: str = ""
    paused_why: str = ""


def lane(ty: str = "send_mail", queue: str = "default") -> Lane:
    return Lane(queue, ty, 0)


def look(
    *heads: Head,
    workers: Sequence[Row] = (Row(),),
    cluster: ClusterView = LED,
    now: datetime = NOON,
    queues: Sequence[Ruled] = (),
) -> list[ClusterProblem]:
    return find_problems(
        heads,
        workers,
        cluster=cluster,
        now=now,
        lease=5.0,
        count_max=COUNT_MAX,
        queues=queues,
    )


def test_what_waits_in_a_limited_queue_is_not_late() -> None:
    head = Head(lane(), due=1, oldest_due_at=NOON)

    assert codes(look(head, now=NOON + 60 * SECOND)) == ["late"]
    assert look(head, now=NOON + 60 * SECOND, queues=[Ruled(due=1)]) == []


def test_tasks_that_wait_in_a_paused_queue_are_told_who_holds_them_back() -> None:
    paused = Ruled(due=2, paused_at=NOON, paused_by="ann", paused_why="it is down")

    [problem] = look(now=NOON + 300 * SECOND, queues=[paused])
    assert problem.message == (
        "2 tasks wait in queue 'default', which was paused by ann 5 min ago (it is down)"
    )
    assert "fcs queue resume default" in problem.hint
    assert look(queues=[Ruled(paused_at=NOON)]) == []


def codes(problems: Sequence[ClusterProblem]) -> list[str]:
    return [problem.code for problem in problems]


def test_all_is_well() -> None:
    assert look() == []
    assert look(Head(lane()), now=NOON + SECOND) == []


def test_idle_cluster_without_anybody_lacks_a_worker() -> None:
    assert codes(look(workers=[], cluster=unled())) == ["no_worker"]


@pytest.mark.parametrize("state", ["draining", "lost", "gone"])
def test_worker_that_takes_nothing_more_is_none(state: str) -> None:
    assert "no_worker" in codes(look(workers=[Row(state=state)]))


def test_without_a_worker_nothing_is_said_of_each_type() -> None:
    assert codes(look(Head(lane("nobody_knows")), workers=[])) == ["no_worker"]


def test_unknown_type_comes_with_the_near_match() -> None:
    [problem] = look(Head(lane("send_mial"), due=2, scheduled=3))
    assert problem.code == "unknown_type"
    assert "5 tasks wait whose type 'send_mial'" in problem.message
    assert "Did you mean 'send_mail'?" in problem.hint


def test_unknown_type_is_told_once_for_all_its_lanes() -> None:
    [problem] = look(Head(lane("zzz", "a")), Head(lane("zzz", "b")))
    assert "2 tasks wait" in problem.message
    assert "Did you mean" not in problem.hint


def test_count_that_stopped_says_so() -> None:
    [problem] = look(Head(lane("zzz"), due=COUNT_MAX))
    assert "1,000 tasks or more wait" in problem.message


def test_queue_that_nobody_serves() -> None:
    [problem] = look(Head(lane(queue="mial")), workers=[Row(queues=["mail"])])
    assert problem.code == "unserved_queue"
    assert "'mial'" in problem.message
    assert "Did you mean 'mail'?" in problem.hint


def test_queue_and_type_must_meet_in_one_worker() -> None:
    workers = [Row(queues=["slow"]), Row(queues=["mail"], types=["other"])]
    assert codes(look(Head(lane(queue="mail")), workers=workers)) == ["unserved_queue"]


def test_worker_without_queues_serves_every_queue() -> None:
    assert look(Head(lane(queue="whatever")), workers=[Row(queues=[])]) == []


def test_late_task_because_all_slots_are_busy() -> None:
    [problem] = look(Head(lane()), workers=[Row(slots_busy=4)], now=NOON + 840 * SECOND)
    assert problem.code == "late"
    assert "14 min" in problem.message
    assert "All 4 slots" in problem.hint


def test_late_task_although_slots_are_free() -> None:
    [problem] = look(Head(lane()), now=NOON + 60 * SECOND)
    assert "4 of 4 slots" in problem.hint
    assert "leader's log" in problem.hint
    [problem] = look(Head(lane()), now=NOON + 60 * SECOND, cluster=unled(mode=Mode.HASH))
    assert "workers' logs" in problem.hint


def test_only_the_slots_of_able_workers_count_for_a_late_task() -> None:
    workers = [Row(slots_busy=4), Row(types=["other"])]
    [problem] = look(Head(lane()), workers=workers, now=NOON + 60 * SECOND)
    assert "All 4 slots" in problem.hint


def test_the_latest_of_all_lanes_is_told() -> None:
    heads = [
        Head(lane(queue="a"), oldest_due_at=NOON),
        Head(lane(queue="b"), oldest_due_at=NOON - 3_600 * SECOND),
        Head(lane(queue="c"), due=0, scheduled=1, oldest_due_at=None),
    ]
    [problem] = look(*heads, now=NOON + 60 * SECOND)
    assert "'b'" in problem.message


def test_lateness_is_no_news_where_nobody_hands_out() -> None:
    assert codes(look(Head(lane()), cluster=unled(), now=NOON + 60 * SECOND)) == []


@pytest.mark.parametrize("state", ["live", "draining"])
def test_silent_worker_is_named(state: str) -> None:
    problems = look(workers=[Row(), Row(id=UUID(int=8), state=state, silent=4.0)])
    assert codes(problems) == ["silent_worker"]
    assert str(UUID(int=8)) in problems[0].message
    assert "4 s" in problems[0].message
    assert "ann" in problems[0].hint


@pytest.mark.parametrize(
    ("cluster", "reaper"), [(LED, "the leader"), (unled(mode=Mode.HASH), "another worker")]
)
def test_who_will_declare_a_silent_worker_lost_is_said(cluster: ClusterView, reaper: str) -> None:
    [problem] = look(workers=[Row(silent=4.0)], cluster=cluster)
    assert f"{reaper} will declare it lost" in problem.hint


def test_lost_worker_is_named_and_one_that_left_is_not() -> None:
    problems = look(workers=[Row(), Row(state="lost", silent=90), Row(state="gone", silent=90)])
    assert codes(problems) == ["lost_worker"]
    assert "interrupted" in problems[0].hint


def test_every_problem_says_what_to_do() -> None:
    problems = [
        *look(Head(lane("zzz")), Head(lane(queue="q")), workers=[Row(queues=["r"])]),
        *look(workers=[Row(state="lost", silent=9)]),
        *look(Head(lane()), workers=[Row(silent=9)], now=NOON + 60 * SECOND),
    ]
    assert len({problem.code for problem in problems}) == 6
    assert all(problem.message and problem.hint for problem in problems)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_stretches_of_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
