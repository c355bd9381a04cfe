"""The rules: what may happen next, and to whom. Hypothesis chooses, and shortens what it breaks.

An example is a transaction that is rolled back, so nothing is left for the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fcs.database.connect import Connection
from fcs.domain.task import Status
from proof.machine import clients, life
from proof.machine.people import Process
from proof.machine.world import Message, World

T = TypeVar("T")
Rule = TypeVar("Rule", bound=Callable[..., None])

WORKERS: Final = 2
TASKS_MAX: Final = 5

picks = st.integers(0, 7)
"""One of those that are there, counted from the latest."""
likely = st.sampled_from([0, 0, 0, 1, 1, 2, 4, 7])
"""The same, where the latest is most of the time the one to look at."""
rarely = st.sampled_from([False, False, True])
ends = st.sampled_from([Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED, Status.CANCELLED])
nodes = st.sampled_from("AB")


def pick(some: Sequence[T], no: int) -> T:
    return some[-1 - no % len(some)]


def when(*parts: str) -> Callable[[Rule], Rule]:
    """That somebody has something of that kind in hand."""
    return precondition(lambda self: all(getattr(self, f"_{part}")() for part in parts))


class Machine(RuleBasedStateMachine):
    db: ClassVar[Connection]
    runner: ClassVar[asyncio.Runner]
    statements: ClassVar[int] = 0
    """Carried out so far, in all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.db)
        self.run(self.db.execute("begin"))
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

    # What there is to pick from

    def _tasks(self) -> list[int]:
        return list(self.world.model.tasks)

    def _room(self) -> bool:
        return len(self.world.model.tasks) < TASKS_MAX

    def _mail(self) -> bool:
        return bool(self.world.mail)

    def _telling(self) -> list[Message]:
        return self.world.about(Status.DISPATCHED, Status.RUNNING)

    def _outdated(self) -> list[Message]:
        return self.world.about(Status.PENDING)

    def _lying(self) -> list[int]:
        return [n for n, task in self.world.model.tasks.items() if task.status is Status.DISPATCHED]

    def _receivers(self) -> list[Process]:
        """All of them; those to whom something can be handed out come last."""
        states = self.world.model.workers
        return sorted(
            self.world.processes,
            key=lambda one: (one.is_alive, states[one.incarnation].state == "live"),
        )

    def _alive(self) -> list[Process]:
        return [one for one in self.world.processes if one.is_alive]

    def _taking(self) -> list[Process]:
        return [one for one in self._alive() if not one.is_fenced]

    def _holding(self) -> list[tuple[Process, int]]:
        return [(one, n) for one in self._taking() for n in one.held]

    def _begun(self) -> list[tuple[Process, int]]:
        return [(one, run) for one in self._taking() for run in one.begun]

    def _bodies(self) -> list[tuple[Process, int]]:
        return [(one, run) for one in self._alive() for run in one.bodies]

    def _calm(self) -> list[Process]:
        return [one for one in self._taking() if not one.asked]

    # Clients

    @when("room")
    @rule(wait=st.sampled_from([None, None, 5.0]), attempts=st.integers(1, 3), again=st.booleans())
    def create(self, wait: float | None, attempts: int, again: bool) -> None:
        act = clients.create(self.world, wait=wait, attempts=attempts, runs_again=again)
        self.run(act)

    @when("room")
    @rule(key=st.sampled_from(["order 1", "order 2"]))
    def create_with_key(self, key: str) -> None:
        self.run(clients.create(self.world, key=key))

    @when("room", "tasks")
    @rule(one=picks, other=picks, may_fail=st.booleans())
    def create_after(self, one: int, other: int, may_fail: bool) -> None:
        needs = list({pick(self._tasks(), one), pick(self._tasks(), other)})
        self.run(clients.create(self.world, needs=needs, needs_may_fail=may_fail))

    @when("tasks")
    @rule(task=picks)
    def create_again(self, task: int) -> None:
        asked = list(self.world.asked_for.values())
        self.run(clients.create_again(self.world, pick(asked, task)))

    @when("tasks")
    @rule(act=st.sampled_from([clients.cancel, clients.delete]), task=picks)
    def end_by_client(self, act: Callable[[World, int], Awaitable[None]], task: int) -> None:
        self.run(act(self.world, pick(self._tasks(), task)))

    # Supervisors and reapers

    @when("tasks")
    @rule(task=picks, other=picks, to=likely, node=st.sampled_from([None, None, "A", "B"]))
    def dispatch(self, task: int, other: int, to: int, node: str | None) -> None:
        numbers = list({pick(self._tasks(), task), pick(self._tasks(), other)})
        process = pick(self._receivers(), to).incarnation
        term = None if node is None else self.world.terms[node]
        self.run(life.dispatch(self.world, numbers, process, term))

    @when("lying")
    @rule(task=picks, is_late=rarely)
    def take_back(self, task: int, is_late: bool) -> None:
        self.run(life.take_back(self.world, pick(self._lying(), task), is_late=is_late))

    @rule()
    def settle(self) -> None:
        self.run(clients.settle(self.world))

    @rule()
    def prune(self) -> None:
        self.run(clients.prune(self.world))

    @rule(act=st.sampled_from([clients.bid, clients.renew, clients.resign]), node=nodes)
    def lead(self, act: Callable[[World, str], Awaitable[None]], node: str) -> None:
        self.run(act(self.world, node))

    @rule(node=nodes, ahead=st.sampled_from([0, 2]))
    def bid_wrongly(self, node: str, ahead: int) -> None:
        self.run(clients.bid(self.world, node, ahead=ahead))

    # Workers

    @rule(worker=st.integers(1, WORKERS))
    def register(self, worker: int) -> None:
        self.run(self.world.register(worker))

    @when("alive")
    @rule(process=picks)
    def beat(self, process: int) -> None:
        self.run(self.world.beat(pick(self._alive(), process)))

    @rule(what=st.sampled_from(["reap", "reap late", "leave", "kill", "drain"]), process=picks)
    def calamity(self, what: str, process: int) -> None:
        """What ends processes, rightly or not; in one rule, to be rare enough."""
        one = pick(self.world.processes, process)
        beat_no = self.world.model.workers[one.incarnation].beat_no
        match what:
            case "reap":
                self.run(self.world.reap(one.incarnation, beat_no))
            case "reap late":
                self.run(self.world.reap(one.incarnation, beat_no - 1))
            case "leave" if one.is_alive:
                self.run(self.world.leave(one))
            case "drain" if one.is_alive:
                self.run(self.world.drain(one))
            case "kill":
                one.die()

    @when("calm")
    @rule(process=picks)
    def settle_account(self, process: int) -> None:
        self.run(self.world.settle_account(pick(self._calm(), process)))

    @when("taking")
    @rule(process=picks)
    def fetch(self, process: int) -> None:
        self.run(life.fetch(self.world, pick(self._taking(), process)))

    @when("holding")
    @rule(held=picks, is_late=rarely, is_heard=st.booleans(), keeps=rarely)
    def begin(self, held: int, is_late: bool, is_heard: bool, keeps: bool) -> None:
        process, n = pick(self._holding(), held)
        act = life.begin(self.world, process, n, is_late=is_late, is_heard=is_heard, keeps=keeps)
        self.run(act)

    @when("holding")
    @rule(held=picks, is_late=rarely)
    def hand_back(self, held: int, is_late: bool) -> None:
        self.run(life.hand_back(self.world, *pick(self._holding(), held), is_late=is_late))

    @when("holding")
    @rule(held=picks, is_late=rarely)
    def refuse(self, held: int, is_late: bool) -> None:
        self.run(life.refuse(self.world, *pick(self._holding(), held), is_late=is_late))

    @when("begun")
    @rule(run=picks)
    def start(self, run: int) -> None:
        life.start(self.world, *pick(self._begun(), run))

    @when("begun")
    @rule(run=picks, is_late=rarely)
    def release(self, run: int, is_late: bool) -> None:
        self.run(life.release(self.world, *pick(self._begun(), run), is_late=is_late))

    @when("bodies")
    @rule(run=picks, status=ends, is_late=rarely)
    def end(self, run: int, status: Status, is_late: bool) -> None:
        process, number = pick(self._bodies(), run)
        self.run(life.end(self.world, process, number, status, is_late=is_late))

    @when("bodies")
    @rule(run=picks, delay=st.sampled_from([0.0, 4.0]), counts=st.booleans(), is_late=rarely)
    def retry(self, run: int, delay: float, counts: bool, is_late: bool) -> None:
        process, number = pick(self._bodies(), run)
        act = life.retry(self.world, process, number, delay, counts=counts, is_late=is_late)
        self.run(act)

    # The world at large

    @when("tasks")
    @rule(task=picks, to=likely, begins=st.booleans(), starts=st.booleans())
    def get_going(self, task: int, to: int, begins: bool, starts: bool) -> None:
        """From the backlog to the body, as it goes most of the time; or not quite so far."""
        n, process = pick(self._tasks(), task), pick(self._receivers(), to)
        self.hand_out(n, process, begins=begins)
        for run in [run for run, fetched in process.begun.items() if fetched.task == n and starts]:
            life.start(self.world, process, run)

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

    @when("lying")
    @rule(task=picks)
    def go_round(self, task: int) -> None:
        self.run(life.go_round(self.world, pick(self._lying(), task)))

    @when("mail")
    @rule(message=picks)
    def arrive_again(self, message: int) -> None:
        """Something that was said before, or is late, and perhaps by somebody who is dead now."""
        self.run(pick(self.world.mail, message).send())

    @when("telling")
    @rule(message=picks, other=picks)
    def arrive_at_the_wrong_time(self, message: int, other: int) -> None:
        """The same, about tasks that somebody has in hand by now."""
        for no in (message, other):
            if telling := self._telling():
                self.run(pick(telling, no).send())

    @when("outdated")
    @rule(message=picks, to=likely, begins=st.booleans())
    def arrive_too_late(self, message: int, to: int, begins: bool) -> None:
        """The same, after its task was handed out once more."""
        n, send = pick(self._outdated(), message)
        self.hand_out(n, pick(self._receivers(), to), begins=begins)
        self.run(send())

    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.run(self.world.set_clock(self.world.model.now + seconds))
