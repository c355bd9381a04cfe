"""The life of a task: each statement is sent, and its answer held against the model."""

from functools import partial
from typing import Any, Final

from tests.database.scene import (
    LANE,
    NOON,
    beginning,
    ending,
    incarnation,
    run_id,
    task_id,
)

from fcs.database import runs, tasks
from fcs.database.runs import Again, Evidence
from fcs.database.tasks import Overdue
from fcs.domain.facts import Assignment, Waiting
from fcs.domain.task import AttemptOutcome, Status
from proof.machine.model import Begin
from proof.machine.people import Fetched, Process
from proof.machine.world import SLOTS, Message, World

FETCH_MAX: Final = 100


def free_slots(world: World, number: int) -> int:
    """As a supervisor counts them: what is under way counts as busy."""
    busy, taken = world.reported[number]
    return SLOTS - busy - (world.model.workers[number].sent - taken)


async def dispatch(world: World, numbers: list[int], process: int, term: int | None) -> None:
    numbers = numbers[: max(0, free_slots(world, process))]
    if not numbers:
        return
    assigned = [Assignment(Waiting(LANE, NOON, task_id(n)), incarnation(process)) for n in numbers]
    given = await tasks.dispatch(world.db, assigned, term=term)
    wanted = {task_id(n) for n in numbers if world.model.dispatch(n, process, term)}
    _agree("dispatch", given, wanted)
    await world.check("dispatch")


async def fetch(world: World, process: Process) -> None:
    """Read what lies with a process, whatever was named to it."""
    number = process.incarnation
    wanted = world.model.fetch(number)
    ids = [task_id(n) for n in world.model.tasks]
    found = await tasks.fetch(world.db, incarnation(number), ids, limit=FETCH_MAX)
    _agree("fetch", {row.id.int: row.dispatch_no for row in found}, wanted)
    on_their_way = {fetched.task: fetched.dispatch_no for fetched in process.asked.values()}
    for row in found:
        n = row.id.int
        if on_their_way.get(n) != row.dispatch_no:
            process.held[n] = Fetched(n, row.dispatch_no, row.attempt, row.max_attempts)


async def take_back(world: World, n: int, *, is_late: bool) -> None:
    """A supervisor finds that a dispatch was not begun in time."""
    task = world.model.tasks[n]
    assert task.incarnation is not None
    stale = task.incarnation, task.dispatch_no
    await world.post(Message(n, partial(_take_back, world, n, *stale)), is_late=is_late)


async def _take_back(world: World, n: int, process: int, dispatch_no: int) -> None:
    overdue = Overdue(task_id(n), incarnation(process), dispatch_no, 99.0)
    returned = await tasks.take_back(world.db, [overdue])
    wanted = [task_id(n)] if world.model.take_back(n, process, dispatch_no) else []
    _agree("take_back", [task.id for task in returned], wanted)
    await world.check("take_back")


async def begin(
    world: World, process: Process, n: int, *, is_late: bool, is_heard: bool, keeps: bool
) -> None:
    """Take a task up under a run that is made for it; with `keeps` another run may be made for
    the same dispatch, as if two threads had it."""
    fetched = process.held[n] if keeps else process.held.pop(n)
    run = world.number()
    process.asked[run] = fetched
    world.ledger.owners[run] = process.incarnation, n
    asked = Begin(process.incarnation, n, fetched.dispatch_no, run, fetched.attempt)
    world.mail.append(Message(n, partial(_begin, world, process, asked, is_heard=True)))
    if not is_late:
        await _begin(world, process, asked, is_heard=is_heard)


async def _begin(world: World, process: Process, asked: Begin, *, is_heard: bool) -> None:
    one = beginning(asked.task, dispatch_no=asked.dispatch_no, run=asked.run, attempt=asked.attempt)
    begun = await runs.begin(world.db, incarnation(asked.incarnation), [one])
    _agree("begin", begun, _if(world.model.begin(asked), asked.task))
    await world.check("begin")
    if is_heard and (fetched := process.asked.pop(asked.run, None)) is not None:
        process.held.pop(asked.task, None)
        if begun:
            process.begun[asked.run] = fetched
            process.taken += 1


def start(world: World, process: Process, run: int) -> None:
    """The body's first instruction."""
    fetched = process.bodies[run] = process.begun.pop(run)
    scheduled_at = world.scheduled.get(fetched.task, world.model.now)
    assert scheduled_at <= world.model.now, f"EARLY: the body of task {fetched.task}"
    world.ledger.start(fetched.task, fetched.attempt, max_attempts=fetched.max_attempts)


async def end(world: World, process: Process, run: int, status: Status, *, is_late: bool) -> None:
    n = process.bodies.pop(run).task
    if status is Status.SUCCEEDED:
        world.ledger.returned.add(run)
    await world.post(Message(n, partial(_end, world, n, run, status)), is_late=is_late)


async def _end(world: World, n: int, run: int, status: Status) -> None:
    plain = status is Status.SUCCEEDED
    statement = runs.succeed if plain else runs.finish
    recorded = await statement(world.db, [ending(n, status, run=run)], "")
    world.ledger.let_go.add(run)
    _agree(statement.__name__, recorded, _if(world.model.finish(n, run, status), n))
    await world.check(statement.__name__)


async def retry(
    world: World, process: Process, run: int, delay: float, *, counts: bool, is_late: bool
) -> None:
    """A run that failed, or one that shall not count; whoever may not run again ends with it."""
    n = process.bodies.pop(run).task
    await world.post(
        Message(n, partial(_retry, world, n, run, delay, counts=counts)), is_late=is_late
    )


async def _retry(world: World, n: int, run: int, delay: float, *, counts: bool) -> None:
    outcome = AttemptOutcome.FAILED if counts else AttemptOutcome.SNOOZED
    again = Again(task_id(n), run_id(run), delay, Evidence(outcome), 0 if counts else 1)
    answered = await runs.retry(world.db, [again], "")
    is_new = world.model.retry(n, run, delay, again.more_attempts)
    is_known = is_new or (run in world.retried and n in world.model.tasks)
    _agree("retry", answered, {run_id(run)} if is_known else set())
    if is_new:
        world.retried.add(run)
        world.ledger.let_go.add(run)
    await world.check("retry")
    if not is_known:
        await _end(world, n, run, again.as_last.status)


async def release(world: World, process: Process, run: int, *, is_late: bool) -> None:
    """The body will not start: the attempt does not count."""
    n = process.begun.pop(run).task
    await world.post(Message(n, partial(_release, world, n, run)), is_late=is_late)


async def _release(world: World, n: int, run: int) -> None:
    released = await runs.release(world.db, [(task_id(n), run_id(run))])
    world.ledger.let_go.add(run)
    _agree("release", released, _if(world.model.release(n, run), n))
    await world.check("release")


async def hand_back(world: World, process: Process, n: int, *, is_late: bool) -> None:
    no = process.held.pop(n).dispatch_no
    await world.post(Message(n, partial(_hand_back, world, process, n, no)), is_late=is_late)


async def _hand_back(world: World, process: Process, n: int, dispatch_no: int) -> None:
    number = process.incarnation
    returned = await tasks.hand_back(world.db, incarnation(number), [(task_id(n), dispatch_no)])
    _agree("hand_back", returned, _if(world.model.hand_back(n, number, dispatch_no), n))
    process.taken += len(returned)
    await world.check("hand_back")


async def refuse(world: World, process: Process, n: int, *, is_late: bool) -> None:
    """Its arguments cannot be read."""
    no = process.held.pop(n).dispatch_no
    await world.post(Message(n, partial(_refuse, world, process, n, no)), is_late=is_late)


async def _refuse(world: World, process: Process, n: int, dispatch_no: int) -> None:
    number = process.incarnation
    refused = await tasks.refuse(world.db, incarnation(number), task_id(n), dispatch_no, "no")
    _agree("refuse", refused, world.model.refuse(n, number, dispatch_no))
    process.taken += refused
    await world.check("refuse")


def _if(is_so: bool, n: int) -> set[Any]:
    return {task_id(n)} if is_so else set()


def _agree(statement: str, answer: object, wanted: object) -> None:
    assert answer == wanted, f"{statement} answers {answer}, and ought to answer {wanted}"


async def go_round(world: World, n: int) -> None:
    """Taken back in time, and handed to the same process once more."""
    number = world.model.tasks[n].incarnation
    assert number is not None
    await take_back(world, n, is_late=False)
    await dispatch(world, [n], number, None)
    if (process := world.process(number)).takes_up:
        await fetch(world, process)
