"""What may happen next, and to whom. Hypothesis chooses, and shortens what it breaks.

It is all one rule, which chooses an act: Hypothesis leaves rules out of an example at random, and
a body ends only if somebody hands its task out, fetches it, begins and starts it. An example is a
transaction that is rolled back, so nothing is left for the next one.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fcs.database.connect import Connection
from fcs.domain.task import FINAL, Status
from proof.machine import clients, life
from proof.machine.people import Process
from proof.machine.world import Message, World

T = TypeVar("T")

WORKERS: Final = 2
TASKS_MAX: Final = 4
"""That have not ended."""

WORK: Final = (
    ("holding", "begin"), ("holding", "begin"), ("holding", "hand_back"), ("holding", "refuse"),
    ("begun", "start"), ("begun", "start"), ("begun", "release"), ("bodies", "end"),
    ("bodies", "end"), ("bodies", "retry"), ("bodies", "retry"), ("taking", "fetch"),
    ("taking", "beat"), ("calm", "settle_account"),
)  # fmt: skip
"""What workers do, and what there has to be for that; some of it more often than the rest."""

ACTS: Final = (
    *("work",) * 14, *("get_going",) * 5, *("arrive_too_late",) * 4, *("arrive_again",) * 3,
    *("take_back",) * 2, *("dispatch",) * 2, *("ask",) * 4, *("keep_up",) * 3, "suffer", "suffer",
    "pass_time",
)  # fmt: skip

ASKED: Final = ("create", "create", "create_with_key", "create_after", "create_again", "cancel",
                "cancel", "delete")  # fmt: skip
CALAMITIES: Final = ("reap", "reap", "reap_late", "leave", "kill", "drain", "register")
UPKEEP: Final = ("settle", "settle", "prune", "bid", "bid", "bid_wrongly", "renew", "resign")


class How(NamedTuple):
    """What an act may make use of."""

    what: int
    """Which of several acts."""
    no: int
    """Which one of those that there are, counted from the latest."""
    other: int
    to: int
    is_late: bool
    is_heard: bool
    keeps: bool
    counts: bool
    runs_again: bool
    attempts: int
    wait: float | None
    status: Status
    node: str


def pick(some: Sequence[T], no: int) -> T:
    return some[-1 - no % len(some)]


picks = st.integers(0, 7)
likely = st.sampled_from([0, 0, 0, 1, 1, 2, 4, 7])
"""The same, where the latest is most of the time the one to look at."""
rarely = st.sampled_from([False, False, True])
ways = st.builds(
    How,
    what=st.integers(0, 839),  # divisible by the length of each list of acts
    no=picks,
    other=picks,
    to=likely,
    is_late=rarely,
    is_heard=st.booleans(),
    keeps=rarely,
    counts=st.booleans(),
    runs_again=st.booleans(),
    attempts=st.integers(1, 3),
    wait=st.sampled_from([None, None, 5.0]),
    status=st.sampled_from(sorted(FINAL)),
    node=st.sampled_from("AB"),
)


class Machine(RuleBasedStateMachine):
    db: ClassVar[Connection]
    runner: ClassVar[asyncio.Runner]
    statements: ClassVar[int] = 0
    """Carried out so far, in all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.db)
        self.run(self.db.execute("begin"))
        # The pause after a loss is by chance: the same one whenever an example is played again.
        self.run(self.db.execute("select setseed(0)"))
        self.run(self.world.set_clock(0.0))

    def run(self, act: Awaitable[Any]) -> None:
        self.runner.get_loop().run_until_complete(act)

    def teardown(self) -> None:
        self.run(self.db.execute("rollback"))
        Machine.statements += self.world.steps

    @initialize()
    def open(self) -> None:
        for worker in range(1, WORKERS + 1):
            self.run(self.world.register(worker))
        self.run(clients.create(self.world))
        for _ in range(2):
            self.run(clients.create(self.world, attempts=3, runs_again=True))

    @rule(act=st.sampled_from(ACTS), how=ways)
    def step(self, act: str, how: How) -> None:
        getattr(self, f"_{act}")(how)

    def _ask(self, how: How) -> None:
        """Clients."""
        what = pick(ASKED, how.what)
        open_ones = [task for task in self.world.model.tasks.values() if task.status not in FINAL]
        if not what.startswith("create") or len(open_ones) < TASKS_MAX:
            getattr(self, f"_{what}")(how)

    def _work(self, how: How) -> None:
        """Whatever a worker can do next."""
        possible = [act for things, act in WORK if getattr(self, f"_{things}")()]
        if possible:
            getattr(self, f"_{pick(possible, how.what)}")(how)

    def _dispatch(self, how: How) -> None:
        """To anybody, also to who is gone; perhaps by who leads no more."""
        if there := list(self.world.model.tasks):
            term = self.world.terms[how.node] if how.counts else None
            process = pick(self._receivers(), how.to).incarnation
            numbers = list({pick(there, how.no), pick(there, how.other)})
            self.run(life.dispatch(self.world, numbers, process, term))

    def _get_going(self, how: How) -> None:
        """From the backlog to the body, as it goes most of the time; or not quite so far."""
        if not (waiting := self._waiting()):
            return
        n, process = pick(waiting, how.no), pick(self._receivers(), how.to)
        self.hand_out(n, process, begins=not how.keeps)
        runs = [run for run, fetched in process.begun.items() if fetched.task == n]
        for run in runs if how.counts else []:
            life.start(self.world, process, run)

    def _take_back(self, how: How) -> None:
        """And perhaps hand it to the same process once more."""
        if lying := self._lying():
            n = pick(lying, how.no)
            goes_round = life.go_round(self.world, n) if how.counts else None
            self.run(goes_round or life.take_back(self.world, n, is_late=how.is_late))

    def _arrive_too_late(self, how: How) -> None:
        """Something that was said before, or is late, after its task was handed out once more."""
        if outdated := self.world.about(Status.PENDING):
            n, send = pick(outdated, how.no)
            self.hand_out(n, pick(self._receivers(), how.to), begins=how.counts)
            self.run(send())

    def _arrive_again(self, how: How) -> None:
        """The same, perhaps by somebody who is dead now; and perhaps of what is in hand."""
        mail: list[Message] = self.world.mail
        if how.counts:
            mail = self.world.about(Status.DISPATCHED, Status.RUNNING)
        if mail:
            self.run(pick(mail, how.no).send())

    def _suffer(self, how: How) -> None:
        """What ends processes, rightly or not."""
        what = pick(CALAMITIES, how.what)
        getattr(self, f"_{what}")(pick(self.world.processes, how.to))

    def _keep_up(self, how: How) -> None:
        """What supervisors do besides, and who of them leads."""
        match pick(UPKEEP, how.what):
            case "settle":
                self.run(clients.settle(self.world))
            case "prune":
                self.run(clients.prune(self.world))
            case "bid_wrongly":
                self.run(clients.bid(self.world, how.node, ahead=2))
            case what:
                self.run(getattr(clients, what)(self.world, how.node))

    def _pass_time(self, how: How) -> None:
        seconds = pick((0.5, 3.0, 10.0, 40.0), how.no)
        self.run(self.world.set_clock(self.world.model.now + seconds))

    def hand_out(self, n: int, process: Process, *, begins: bool) -> None:
        """Dispatch a task as soon as it falls due, and let its worker go on with it."""
        due_at = self.world.model.tasks[n].due_at
        if due_at is not None and due_at > self.world.model.now:
            self.run(self.world.set_clock(due_at))
        self.run(life.dispatch(self.world, [n], process.incarnation, None))
        if process.takes_up:
            self.run(life.fetch(self.world, process))
        if begins and n in process.held:
            act = life.begin(self.world, process, n, is_late=False, is_heard=True, keeps=False)
            self.run(act)

    # What there is

    def _waiting(self) -> list[int]:
        return [n for n, task in self.world.model.tasks.items() if task.due_at is not None]

    def _lying(self) -> list[int]:
        tasks = self.world.model.tasks
        return [n for n, task in tasks.items() if task.status is Status.DISPATCHED]

    def _receivers(self) -> list[Process]:
        """All of them; those to whom something can be handed out come last."""
        states = self.world.model.workers
        return sorted(
            self.world.processes,
            key=lambda one: (one.is_alive, states[one.incarnation].state == "live"),
        )

    def _taking(self) -> list[Process]:
        return [one for one in self.world.processes if one.takes_up]

    def _calm(self) -> list[Process]:
        return [one for one in self._taking() if not one.asked]

    def _holding(self) -> list[tuple[Process, int]]:
        return [(one, n) for one in self._taking() for n in one.held]

    def _begun(self) -> list[tuple[Process, int]]:
        return [(one, run) for one in self._taking() for run in one.begun]

    def _bodies(self) -> list[tuple[Process, int]]:
        return [(one, run) for one in self.world.processes for run in one.bodies]

    # Clients

    def _create(self, how: How) -> None:
        act = clients.create(
            self.world, wait=how.wait, attempts=how.attempts, runs_again=how.runs_again
        )
        self.run(act)

    def _create_with_key(self, how: How) -> None:
        self.run(clients.create(self.world, key=f"order {how.no % 2}"))

    def _create_after(self, how: How) -> None:
        if there := list(self.world.model.tasks):
            needs = list({pick(there, how.no), pick(there, how.other)})
            self.run(clients.create(self.world, needs=needs, needs_may_fail=how.keeps))

    def _create_again(self, how: How) -> None:
        self.run(
            clients.create_again(self.world, pick(list(self.world.asked_for.values()), how.no))
        )

    def _cancel(self, how: How) -> None:
        if there := list(self.world.model.tasks):
            self.run(clients.cancel(self.world, pick(there, how.no)))

    def _delete(self, how: How) -> None:
        if there := list(self.world.model.tasks):
            self.run(clients.delete(self.world, pick(there, how.no)))

    # Workers

    def _fetch(self, how: How) -> None:
        self.run(life.fetch(self.world, pick(self._taking(), how.no)))

    def _begin(self, how: How) -> None:
        process, n = pick(self._holding(), how.no)
        act = life.begin(
            self.world, process, n, is_late=how.is_late, is_heard=how.is_heard, keeps=how.keeps
        )
        self.run(act)

    def _hand_back(self, how: How) -> None:
        process, n = pick(self._holding(), how.no)
        self.run(life.hand_back(self.world, process, n, is_late=how.is_late))

    def _refuse(self, how: How) -> None:
        process, n = pick(self._holding(), how.no)
        self.run(life.refuse(self.world, process, n, is_late=how.is_late))

    def _start(self, how: How) -> None:
        life.start(self.world, *pick(self._begun(), how.no))

    def _release(self, how: How) -> None:
        process, run = pick(self._begun(), how.no)
        self.run(life.release(self.world, process, run, is_late=how.is_late))

    def _end(self, how: How) -> None:
        process, run = pick(self._bodies(), how.no)
        self.run(life.end(self.world, process, run, how.status, is_late=how.is_late))

    def _retry(self, how: How) -> None:
        process, run = pick(self._bodies(), how.no)
        delay = how.wait or 0.0
        act = life.retry(self.world, process, run, delay, counts=how.counts, is_late=how.is_late)
        self.run(act)

    def _beat(self, how: How) -> None:
        self.run(self.world.beat(pick(self._taking(), how.no)))

    def _settle_account(self, how: How) -> None:
        self.run(self.world.settle_account(pick(self._calm(), how.no)))

    # Calamities

    def _reap(self, process: Process) -> None:
        beat_no = self.world.model.workers[process.incarnation].beat_no
        self.run(self.world.reap(process.incarnation, beat_no))

    def _reap_late(self, process: Process) -> None:
        beat_no = self.world.model.workers[process.incarnation].beat_no
        self.run(self.world.reap(process.incarnation, beat_no - 1))

    def _leave(self, process: Process) -> None:
        if process.is_alive:
            self.run(self.world.leave(process))

    def _drain(self, process: Process) -> None:
        if process.is_alive:
            self.run(self.world.drain(process))

    def _kill(self, process: Process) -> None:
        process.die()

    def _register(self, process: Process) -> None:
        self.run(self.world.register(process.worker))
