"""Who stands by watches as well: leaders may change as often as they like, the dead are found, and
nobody who lives is called lost."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.samples import NOON, SECOND, Worker

from fcs.domain.facts import Beat
from fcs.domain.lease import LeaseWatch

LEASE = 5.0
SURVEY = 1.0
BEAT = 1.0
LATE = 0.5
"""Seconds from when the database can be written to until each worker that lives has beaten."""

LOOK = (1.0, 1.2)
"""Seconds between two looks of one that stands by."""

STEP = 0.1


class Database:
    """Rows of workers that beat, with a clock and an age. Moments are true seconds."""

    def __init__(self, workers: int) -> None:
        self.workers = [Worker(n) for n in range(workers)]
        self.at = 0.0
        self.clock_ahead = 0.0
        self.started_at = -1e6
        self.is_writable = True
        self.renewed_until = NOON
        self.dead: set[int] = set()
        self._beaten_at = dict.fromkeys(range(workers), 0.0)
        self._beats_at = dict.fromkeys(range(workers), BEAT)

    def pass_time(self) -> None:
        self.at += STEP
        for worker in self.workers:
            if worker.n not in self.dead and self.at >= self._beats_at[worker.n]:
                self.beat(worker)
            worker.silent = self.at + self.clock_ahead - self._beaten_at[worker.n]

    def beat(self, worker: Worker) -> None:
        if self.is_writable:
            worker.beat()
            self._beaten_at[worker.n] = self.at + self.clock_ahead
            self._beats_at[worker.n] = self.at + BEAT

    def let_write(self, rng: Random) -> None:
        """Those who had to wait with their beats come as they can."""
        self.is_writable = True
        for n, due_at in self._beats_at.items():
            self._beats_at[n] = max(due_at, self.at + rng.uniform(0, LATE))

    def renew(self) -> None:
        self.renewed_until = NOON + (self.at + self.clock_ahead + LEASE) * SECOND

    @property
    def uptime(self) -> float:
        return self.at + self.clock_ahead - self.started_at


class Watcher:
    """One process that stands by or leads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.begin_anew()
        self.looks_at = 0.0

    def begin_anew(self) -> None:
        self.watch = LeaseWatch(lease=LEASE, survey_interval=SURVEY)

    def stand_by(self) -> None:
        db = self.database
        beats = [Beat(one.incarnation, one.beat_no, one.silent) for one in db.workers]
        self.watch.stand_by(
            beats, uptime=db.uptime, renewed_until=db.renewed_until, at=self.database.at
        )

    def lead(self) -> list[int]:
        """Survey the workers, which renews the lease; return the numbers of the lost."""
        db = self.database
        db.renew()
        found = self.watch.observe([one.row() for one in db.workers], uptime=db.uptime, at=db.at)
        lost = {suspect.incarnation for suspect in found}
        return [worker.n for worker in db.workers if worker.incarnation in lost]


def live(watcher: Watcher, seconds: float, *, renewed: bool = True) -> None:
    """Let time pass for one that stands by, while somebody else leads, or nobody."""
    db = watcher.database
    for step in range(1, round(seconds / STEP) + 1):
        db.pass_time()
        if step % 10 == 0:
            if renewed and db.is_writable:
                db.renew()
            watcher.stand_by()


def test_who_stood_by_finds_the_dead_at_the_first_look_as_leader() -> None:
    db = Database(2)
    db.dead = {0}
    watcher = Watcher(db)
    live(watcher, 7)

    assert watcher.lead() == [0]


def test_it_has_watched_for_itself_like_any_leader() -> None:
    """F-43: what it reads at its first look may be as old as its own absence."""
    db = Database(2)
    db.dead = {0}
    live(Watcher(db), 100)
    watcher = Watcher(db)
    live(watcher, 4)

    assert watcher.lead() == []
    live(watcher, 2)
    assert watcher.lead() == [0]


@pytest.mark.parametrize("workers", [1, 2])
def test_where_nobody_can_write_nobody_is_silent(workers: int) -> None:
    """F-43: rows can be read, and for beats it is the same as an outage."""
    db = Database(workers)
    watcher = Watcher(db)
    live(watcher, 10)
    db.is_writable = False
    live(watcher, 60)

    assert watcher.lead() == []
    db.is_writable = True
    live(watcher, 10)
    assert watcher.lead() == []


def test_that_somebody_leads_tells_that_rows_can_be_written() -> None:
    db = Database(1)
    db.dead = {0}
    watcher = Watcher(db)
    live(watcher, 7)

    assert watcher.lead() == [0]


def test_that_somebody_beats_tells_it_as_well() -> None:
    db = Database(2)
    db.dead = {0}
    watcher = Watcher(db)
    live(watcher, 7, renewed=False)

    assert watcher.lead() == [0]


def test_while_it_was_paused_nobody_was_silent() -> None:
    """F-51: at its first look it sees old beats; the new ones are on their way."""
    db = Database(2)
    watcher = Watcher(db)
    live(watcher, 10)
    db.is_writable = False
    for _ in range(300):
        db.pass_time()
    db.is_writable = True
    watcher.stand_by()

    assert watcher.lead() == []


def test_many_deaths_are_braked_by_whoever_watches() -> None:
    """F-41: one more lease, also if nobody leads for so long."""
    db = Database(10)
    db.dead = set(range(10))
    watcher = Watcher(db)
    live(watcher, 9)
    assert watcher.lead() == []

    live(watcher, 3)
    assert watcher.lead() == [*range(10)]


@given(st.randoms(use_true_random=False), st.integers(2, 4), st.integers(1, 8))
def test_leaders_that_change_within_a_lease_find_the_dead(
    rng: Random, watchers: int, workers: int
) -> None:
    """LIVE, TRUTH: none of them leads for long enough to watch a lease run out."""
    db = Database(workers)
    cluster = Succession(db, watchers, rng)
    cluster.run(10)
    db.dead = {rng.randrange(workers)}
    changes = 0
    while not cluster.lost and changes < 20:
        cluster.run(cluster.change())
        changes += 1

    assert set(cluster.lost) == db.dead


@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 8))
def test_nobody_who_lives_is_lost_whatever_happens_to_the_database(
    rng: Random, watchers: int, workers: int
) -> None:
    """TRUTH: its clock jumps, it cannot be written to or not be reached, it starts anew; and
    those who watch it are paused or lose their connections."""
    db = Database(workers)
    cluster = Succession(db, watchers, rng)
    acts = [
        cluster.jump, cluster.stall, cluster.freeze, cluster.restart, cluster.pause, cluster.cut
    ]  # fmt: skip
    for _ in range(12):
        cluster.run(cluster.change())
        rng.choice(acts)()

    assert cluster.lost == []


class Succession:
    """Several watchers of one database, of which one leads, or for a while none."""

    def __init__(self, db: Database, watchers: int, rng: Random) -> None:
        self._db, self._rng = db, rng
        self._watchers = [Watcher(db) for _ in range(watchers)]
        self._leader: Watcher | None = None
        self._leads_from = self._surveys_at = 0.0
        self._paused: dict[Watcher, float] = {}
        self.lost: list[int] = []
        self.change()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self._db.pass_time()
            for watcher in self._watchers:
                self._let_look(watcher)

    def _let_look(self, watcher: Watcher) -> None:
        at = self._db.at
        if at < self._paused.get(watcher, 0.0):
            return
        if watcher is self._leader and at >= self._leads_from:
            # Where nothing can be written it waits for its answer.
            if at >= self._surveys_at and self._db.is_writable:
                self.lost += watcher.lead()
                self._surveys_at = at + SURVEY
        elif at >= watcher.looks_at:
            watcher.stand_by()
            watcher.looks_at = at + self._rng.uniform(*LOOK)

    def change(self) -> float:
        """Another one leads, once it has noticed; return for how long: for less than a lease."""
        others = [one for one in self._watchers if one is not self._leader] or self._watchers
        self._leader = self._rng.choice(others)
        vacant = self._rng.uniform(0, 2.0)
        self._leads_from = self._surveys_at = self._db.at + vacant
        return vacant + self._rng.uniform(1.1, LEASE - 2 * SURVEY)

    def jump(self) -> None:
        self._db.clock_ahead += self._rng.choice([-900.0, -5.0, 1.9, 5.0, 900.0])

    def stall(self) -> None:
        """Rows can be read only."""
        self._db.is_writable = False
        self.run(self._rng.uniform(0, 20))
        if self._rng.random() < 0.5:
            self.jump()
        self._db.let_write(self._rng)

    def freeze(self) -> None:
        """No statement is answered."""
        self._db.is_writable = False
        for _ in range(self._rng.randrange(200)):
            self._db.pass_time()
        self._db.let_write(self._rng)

    def restart(self) -> None:
        """Whoever was connected begins anew."""
        self.freeze()
        self._db.started_at = self._db.at + self._db.clock_ahead
        for watcher in self._watchers:
            watcher.begin_anew()

    def pause(self) -> None:
        watcher = self._rng.choice(self._watchers)
        self._paused[watcher] = self._db.at + self._rng.uniform(0, 20)

    def cut(self) -> None:
        self._rng.choice(self._watchers).begin_anew()
