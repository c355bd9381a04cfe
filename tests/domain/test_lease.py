"""Leases: who is silent is lost in time, and no clock, outage or pause kills anybody else."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.samples import Worker

from fcs.domain.lease import LOCAL_LEASES_ALONE, LeaseWatch, trusted_until

LEASE = 5.0
SURVEY = 1.0
UP_FOR_LONG = 1e6


class Cluster:
    """Workers that beat each second, a database with a clock and an age, and one watcher."""

    def __init__(self, workers: int) -> None:
        self.workers = [Worker(n) for n in range(workers)]
        self.watch = LeaseWatch(lease=LEASE, survey_interval=SURVEY)
        self.at = 0.0
        self.clock_ahead = 0.0
        self.started_at = -UP_FOR_LONG
        self.beaten_at = dict.fromkeys(range(workers), 0.0)

    def beat(self, *quiet: int) -> None:
        for worker in self.workers:
            if worker.n not in quiet:
                worker.beat()
                self.beaten_at[worker.n] = self.at + self.clock_ahead

    def look(self) -> list[int]:
        """Survey the workers; return the numbers of those to be reaped."""
        for worker in self.workers:
            worker.silent = self.at + self.clock_ahead - self.beaten_at[worker.n]
        suspects = self.watch.observe(
            [worker.row() for worker in self.workers],
            uptime=self.at + self.clock_ahead - self.started_at,
            at=self.at,
        )
        beats = {worker.incarnation: (worker.n, worker.beat_no) for worker in self.workers}
        assert all(beats[suspect.incarnation][1] == suspect.beat_no for suspect in suspects)
        return [beats[suspect.incarnation][0] for suspect in suspects]

    def remove(self, numbers: Sequence[int]) -> None:
        self.workers = [worker for worker in self.workers if worker.n not in numbers]

    def live(self, seconds: int, *, quiet: Sequence[int] = ()) -> list[int]:
        """Let time pass, a survey each second; return who was called lost."""
        lost: list[int] = []
        for _ in range(seconds):
            self.at += 1
            self.beat(*quiet)
            found = self.look()
            self.remove(found)
            lost += found
        return lost


def test_who_beats_lives() -> None:
    assert Cluster(10).live(1_000) == []


def test_who_falls_silent_is_lost_after_the_lease_and_not_before() -> None:
    cluster = Cluster(1)
    cluster.live(10)

    assert cluster.live(4, quiet=[0]) == []
    assert cluster.live(1, quiet=[0]) == [0]


def test_who_beats_again_in_time_lives() -> None:
    cluster = Cluster(1)
    cluster.live(10)
    for _ in range(10):
        assert cluster.live(4, quiet=[0]) == []
        assert cluster.live(1) == []


@pytest.mark.parametrize("ahead", [600, 903, 1e9])
def test_a_database_clock_that_jumps_ahead_kills_nobody(ahead: float) -> None:
    """F-41: an NTP step or a resumed machine makes every lease look expired."""
    cluster = Cluster(2)
    cluster.live(10)
    cluster.clock_ahead = ahead

    assert cluster.look() == []
    assert cluster.live(30) == []


@pytest.mark.parametrize("back", [600, 1e7])
def test_a_database_clock_that_jumps_back_hides_nobody(back: float) -> None:
    """F-42: by the database's clock the dead worker's lease runs for hours."""
    cluster = Cluster(2)
    cluster.live(10)
    cluster.clock_ahead = -back

    assert cluster.live(15, quiet=[0]) == [0]
    assert cluster.live(30) == []


def test_after_a_new_start_of_postgres_everybody_has_a_whole_lease() -> None:
    """F-43, E8: nobody could beat while it was down."""
    cluster = Cluster(2)
    cluster.live(10)
    cluster.at += 4
    cluster.started_at = cluster.at

    assert cluster.look() == []
    assert cluster.live(4, quiet=[0, 1]) == []
    assert sorted(cluster.live(1, quiet=[0, 1])) == [0, 1]


def test_a_new_supervisor_first_watches_for_itself() -> None:
    """F-43: what it reads at its first look may be as old as its own absence."""
    cluster = Cluster(2)
    cluster.at += 100

    assert cluster.look() == []
    assert cluster.live(3, quiet=[0]) == []
    assert cluster.live(2, quiet=[0]) == [0]


@pytest.mark.parametrize("seconds", [3, 4.9, 20, 3_600])
def test_while_nobody_could_look_nobody_was_silent(seconds: float) -> None:
    """F-43, F-51: the database stood still without a new start, or the supervisor was paused.
    At its first look it sees old beats; the new ones are on their way.
    """
    cluster = Cluster(2)
    cluster.live(10)
    cluster.at += seconds

    assert cluster.look() == []
    cluster.at += 1
    assert cluster.look() == []
    assert cluster.live(10) == []


def test_who_died_while_nobody_could_look_is_lost_within_a_lease() -> None:
    cluster = Cluster(2)
    cluster.live(10)
    cluster.at += 60

    assert cluster.live(5, quiet=[0]) == [0]


def test_a_slow_supervisor_finds_the_dead_all_the_same() -> None:
    """Looking so rarely that each look could be the first must not go on for ever."""
    cluster = Cluster(2)
    cluster.live(10)
    lost: list[int] = []
    for _ in range(6):
        cluster.at += 3
        cluster.beat(0)
        lost += cluster.look()

    assert set(lost) == {0}


@pytest.mark.parametrize("workers", [3, 10, 100])
def test_mass_death_waits_one_more_lease(workers: int) -> None:
    """F-41: when so many fall silent at once, something else is wrong more likely."""
    cluster = Cluster(workers)
    cluster.live(10)
    everybody = range(workers)

    assert cluster.live(9, quiet=everybody) == []
    assert sorted(cluster.live(1, quiet=everybody)) == [*everybody]


def test_mass_silence_that_ends_within_the_second_lease_kills_nobody() -> None:
    cluster = Cluster(10)
    cluster.live(10)
    assert cluster.live(9, quiet=range(10)) == []

    assert cluster.live(100) == []


@pytest.mark.parametrize("seconds", [20, 3_600])
def test_the_brake_waits_longer_by_the_time_in_which_nobody_looked(seconds: float) -> None:
    """F-41, F-43: it waits for beats, and none could come."""
    cluster = Cluster(10)
    cluster.live(10)
    assert cluster.live(7, quiet=range(10)) == []
    cluster.at += seconds

    assert cluster.look() == []
    assert cluster.live(100) == []


def test_a_few_deaths_among_many_workers_are_not_braked() -> None:
    cluster = Cluster(10)
    cluster.live(10)

    assert cluster.live(5, quiet=[1, 2, 3]) == [1, 2, 3]


def test_every_mass_silence_is_braked_anew() -> None:
    """One of those who fell silent was really dead; the row could not be locked for a while."""
    cluster = Cluster(10)
    cluster.live(10)
    cluster.live(6, quiet=range(10))
    for _ in range(20):
        cluster.at += 1
        cluster.beat(0)
        assert cluster.look() == [0]

    for _ in range(9):
        cluster.at += 1
        assert cluster.look() in ([0], [])


@pytest.mark.parametrize(("workers", "leases"), [(1, 1), (2, 1), (10, 2)])
def test_who_looks_when_told_to_finds_the_dead_at_once(workers: int, leases: int) -> None:
    """A lease after the last beat; two if so many fell silent that it was braked."""
    cluster = Cluster(workers)
    cluster.live(10)
    last_beat_at = cluster.at
    cluster.live(leases * 5 - 1, quiet=range(workers))

    moment = cluster.watch.next_suspicion_at()

    assert moment == last_beat_at + leases * LEASE
    cluster.at = moment
    assert len(cluster.look()) == workers


def test_who_looks_when_told_to_finds_the_dead_although_the_clock_was_set_back() -> None:
    cluster = Cluster(1)
    cluster.live(10)
    cluster.clock_ahead = -1e7
    cluster.look()

    assert cluster.watch.next_suspicion_at() == 10 + LOCAL_LEASES_ALONE * LEASE


def test_a_new_supervisor_is_told_to_look_when_it_has_watched_long_enough() -> None:
    cluster = Cluster(1)
    cluster.at = 4.5
    cluster.look()

    assert cluster.watch.next_suspicion_at() == 4.5 + LEASE - SURVEY
    for cluster.at in (5.5, 6.5, 7.5):
        assert cluster.look() == []
    cluster.at = 8.5
    assert cluster.look() == [0]


def test_without_workers_nobody_can_be_lost() -> None:
    watch = LeaseWatch(lease=LEASE, survey_interval=SURVEY)

    assert watch.next_suspicion_at() is None
    assert watch.observe([], uptime=0, at=0) == []
    assert watch.next_suspicion_at() is None


@given(
    st.floats(0, 1e6),
    st.floats(0.1, 100),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_a_worker_stops_trusting_itself_before_anybody_may_reap_it(
    sent_at: float, lease: float, margin: float, travel: float
) -> None:
    """F-10, F-39: the lease in the database begins when the beat arrives, not before it is sent."""
    beat_at = sent_at + travel
    assert trusted_until(sent_at, lease=lease, margin=0) == sent_at + lease
    assert trusted_until(sent_at, lease=lease, margin=margin) <= beat_at + lease - margin
