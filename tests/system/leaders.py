"""Leaders that come to an end, one after another, while tasks go on being created.

Two processes of `fcs supervise` and two workers with `--elect` stand by, each behind a wire of its
own; two more workers are never touched. Whoever leads is ended in one of six ways, and it is seen
how long nobody hands anything out. The ledger of the bodies tells, not the database.
"""

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

from tests.pooler import is_pooled
from tests.system.harness import Cluster, Ledger, Load, Process, eventually
from tests.system.wire import Healing, Wire, wired

from fcs.domain.settings import Settings

AHEAD = 8.0
"""Seconds by which a task is scheduled at the most: beyond any change of leaders."""

LIMIT = 8
"""So many tasks of the limited queue may run at once."""

MS_MAX = 100
"""Milliseconds that a body takes at the most: while leaders come and go, tasks are handed out for a
third of the time, and in that all that come have to be done."""

BACKLOG = 500
"""Tasks of that queue that are there at the beginning, so that it is full for a while."""

MOST_AT_ONCE = """
with events as (
    select started_at as at, 1 as change
      from fcs.tasks
     where queue = 'narrow'
       and started_at is not null
    union all
    select updated_at, -1
      from fcs.tasks
     where queue = 'narrow'
       and started_at is not null
),
running as (
    select sum(change) over (order by at, change) as tasks from events
)
select max(tasks)::int from running
"""
"""By the rows: a lost run lasts until it was reaped."""

PAUSE_MAX = 1.0
"""Seconds from a change to the next act, at the most."""


class Act(StrEnum):
    """How a leader comes to its end."""

    KILL = "kill -9"
    PAUSE = "SIGSTOP until another leads"
    SILENCE = "network silent until another leads"
    RESET = "connections reset"
    LEAVE = "SIGTERM"
    USURP = "term taken away, so that two lead"


class Change(NamedTuple):
    """A leader that was ended, what it was, and the seconds until the next one's first start."""

    act: Act
    part: str
    gap: float


class Term(NamedTuple):
    """A term that somebody holds; `since` in seconds of the clock that the ledger goes by."""

    number: int
    pid: int
    part: str
    since: float


class Candidate:
    """A process that may lead, and the wire by which it can be reached."""

    def __init__(self, process: Process, wire: Wire, worker: UUID | None) -> None:
        self.process, self.wire, self.worker = process, wire, worker

    @property
    def is_ready(self) -> bool:
        log = self.process.log()
        return "stands by: " in log or "leads: " in log


class Starts:
    """When bodies started, read from the ledger as it grows."""

    def __init__(self, ledger: Ledger) -> None:
        self._file = ledger.path.open("rb")
        self._rest = b""
        self._moments: list[float] = []

    def first_after(self, moment: float) -> float | None:
        """The first start after a moment. What was before is forgotten."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        words = [line.split() for line in lines]
        self._moments += [float(real) for mark, _, _, _, real, _ in words if mark == b"began"]
        self._moments.sort()
        del self._moments[: bisect_right(self._moments, moment)]
        return self._moments[0] if self._moments else None

    def close(self) -> None:
        self._file.close()


class Succession:
    """Candidates, and the end of each leader."""

    def __init__(self, cluster: Cluster, wires: Sequence[Wire], rng: Random) -> None:
        self.cluster, self._rng = cluster, rng
        self._starts = Starts(cluster.ledger)
        self._candidates = [
            self._start(wire, is_worker=number % 2 == 1) for number, wire in enumerate(wires)
        ]
        self.wronged: set[UUID] = set()
        """Workers that were ended, or out of touch for as long as another took to lead."""
        self.ended: Counter[str] = Counter()
        """How many tasks there were in the end, by how they ended."""

    def close(self) -> None:
        self._starts.close()

    def change(self, act: Act) -> Change:
        """End whoever leads, and wait until somebody else has handed something out."""
        self._fill()
        term, leader = self._leader()
        time.sleep(self._rng.uniform(0, PAUSE_MAX))
        struck_at = time.time()
        self._strike(act, leader)
        following = eventually(lambda: self._term_after(term.number))
        assert following
        started_at = eventually(lambda: self._starts.first_after(following.since))
        assert started_at
        self._heal(act, leader)
        return Change(act, term.part, started_at - struck_at)

    def stand_by(self) -> None:
        """Wait until each candidate that is left could lead: none hangs on a line that broke.

        Behind a pooler sessions have no names, and nobody sees whose there are.
        """
        if is_pooled(self.cluster.url):
            return
        query = """
            select count(*)
              from pg_stat_activity
             where datname = current_database()
               and application_name in ('fcs candidate', 'fcs candidate worker')
        """

        def all_stand_by() -> bool:
            alive = sum(one.process.is_alive for one in self._candidates)
            return bool(self.cluster.value(query) == alive)

        eventually(all_stand_by)

    def _start(self, wire: Wire, *, is_worker: bool) -> Candidate:
        if is_worker:
            worker = self.cluster.work("--elect", url=wire.url)
            return Candidate(worker.process, wire, worker.id)
        return Candidate(self.cluster.supervise(url=wire.url), wire, None)

    def _fill(self) -> None:
        """Put others in the places of those who are gone."""
        for place, candidate in enumerate(self._candidates):
            if not candidate.process.is_alive:
                is_worker = candidate.worker is not None
                self._candidates[place] = self._start(candidate.wire, is_worker=is_worker)
        eventually(lambda: sum(candidate.is_ready for candidate in self._candidates) >= 3)

    def _leader(self) -> tuple[Term, Candidate]:
        """Whoever leads, once it has handed something out."""

        def found() -> tuple[Term, Candidate] | None:
            term = self._term_after(-1)
            if term is None or not self._starts.first_after(term.since):
                return None
            leaders = [one for one in self._candidates if one.process.pid == term.pid]
            return (term, leaders[0]) if leaders and leaders[0].process.is_alive else None

        leader = eventually(found)
        assert leader
        return leader

    def _term_after(self, number: int) -> Term | None:
        query = """
            select term, pid, part, extract(epoch from since)::float
              from fcs.leadership
             where node is not null
               and expires_at > fcs.now()
               and term > %(number)s
        """
        rows = self.cluster.rows(query, {"number": number})
        return Term(*rows[0]) if rows else None

    def _strike(self, act: Act, leader: Candidate) -> None:
        if leader.worker and act in (Act.KILL, Act.PAUSE, Act.SILENCE):
            self.wronged.add(leader.worker)
        match act:
            case Act.KILL:
                leader.process.kill()
            case Act.PAUSE:
                leader.process.pause()
            case Act.SILENCE:
                leader.wire.silence()
            case Act.RESET:
                leader.wire.reset()
            case Act.LEAVE:
                leader.process.may_be_gone = True
                leader.process.terminate()
            case Act.USURP:
                self.cluster.execute(
                    "update fcs.leadership"
                    "   set term = term + 1, node = null, expires_at = fcs.now();"
                    "select pg_notify('fcs_candidates', 'vacant')"
                )

    def _heal(self, act: Act, leader: Candidate) -> None:
        # A worker that was lost meanwhile says so and leaves.
        leader.process.may_be_gone |= leader.worker is not None
        match act:
            case Act.PAUSE:
                leader.process.resume()
            case Act.SILENCE:
                leader.wire.heal(self._rng.choice(list(Healing)))
            case Act.LEAVE:
                assert leader.process.exit_code() == 0


@contextmanager
def succession(
    url: str, folder: Path, *, settings: Settings, seed: int = 1
) -> Iterator[Succession]:
    """A cluster under load whose leaders are to come to their ends, for as long as the block runs.

    Then what is promised of tasks is held against what happened.
    """
    rng = Random(seed)
    environment = {"FCS_LEADER_LEASE": str(settings.leader_lease)}
    with ExitStack() as stack:
        wires = [stack.enter_context(wired(url)) for _ in range(4)]
        cluster = stack.enter_context(Cluster(url, folder, environment=environment))
        untouched = [cluster.work(slots=8) for _ in range(2)]
        cluster.wait_for_workers(*untouched)
        candidates = Succession(cluster, wires, rng)
        stack.callback(candidates.close)
        cluster.execute(
            "insert into fcs.queues (name, running_max) values ('narrow', %(limit)s)",
            {"limit": LIMIT},
        )
        cluster.create("nap", range(BACKLOG), queue="narrow", ms=100)
        queues = ["default", "default", "narrow"]
        with Load(url, clients=3, ms_max=MS_MAX, ahead=AHEAD, queues=queues) as load:
            yield candidates
        candidates.stand_by()
        assert_nothing_is_lost(cluster, load, wronged=candidates.wronged)
        assert cluster.value(MOST_AT_ONCE) == LIMIT
        candidates.ended.update(cluster.statuses().values())


def acts(number: int, rng: Random) -> list[Act]:
    """So many, each kind as often as any other, in any order."""
    chosen = list(islice(cycle(Act), number))
    rng.shuffle(chosen)
    return chosen


def assert_nothing_is_lost(cluster: Cluster, load: Load, *, wronged: set[UUID]) -> None:
    """0 lost, 0 doubled, and only those were interrupted whose worker was ended."""
    cluster.wait_until_settled()
    statuses = cluster.statuses()
    assert statuses.keys() >= set(load.acknowledged)
    assert set(statuses.values()) <= {"succeeded", "interrupted"}
    cluster.assert_promise_kept(slots=8)
    query = """
        select distinct worker_id from fcs.tasks where status = 'interrupted'
        union
        select id from fcs.workers where state = 'lost'
    """
    assert {id for (id,) in cluster.rows(query)} <= wronged
