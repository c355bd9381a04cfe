"""What clients ask for, what follows from the end of a task, and who leads."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from tests.database.scene import NOON, new, task_id

from fcs.database import creation, leadership, retention, settling, tasks, workers
from fcs.database.leadership import Candidate
from fcs.database.tasks import Deletion
from fcs.database.workers import Tenure
from fcs.domain.ids import NodeId
from fcs.domain.retention import Stretch
from fcs.domain.task import FINAL, NewTask, OnInterrupt, Status, WhenNeedsFail
from fcs.domain.topology import Part
from proof.machine.model import PRUNE_AFTER, Task, moment
from proof.machine.world import World

LEASE: Final = 5.0
_EVERYTHING: Final = Stretch(UUID(int=0), UUID(int=2**128 - 1))
_NODES: Final = {"A": NodeId(UUID(int=0xA)), "B": NodeId(UUID(int=0xB))}


async def create(
    world: World,
    *,
    wait: float | None = None,
    attempts: int = 1,
    runs_again: bool = False,
    key: str | None = None,
    needs: Sequence[int] = (),
    needs_may_fail: bool = False,
) -> None:
    n, now = world.number(), world.model.now
    scheduled_at = None if wait is None else moment(now + wait)
    if scheduled_at is not None:
        world.scheduled[n] = scheduled_at
    asked = new(
        n,
        scheduled_at=None if scheduled_at is None else NOON + timedelta(seconds=scheduled_at),
        max_attempts=attempts,
        on_interrupt=OnInterrupt.RETRY if runs_again else OnInterrupt.INTERRUPT,
        key=key,
        after=tuple(map(task_id, needs)),
        when_needs_fail=WhenNeedsFail.RUN if needs_may_fail else WhenNeedsFail.CANCEL,
    )
    created = await creation.add(world.db, [asked])
    stands_for = n if key is None else world.keys.setdefault(key, n)
    assert created.ids == [task_id(stands_for)], f"create answers {created}"
    if stands_for == n:
        task = Task(now, scheduled_at, attempts, runs_again, set(needs), needs_may_fail)
        assert world.model.create(n, task)
        world.asked_for[n] = asked
    await world.check("create", "create_linked")


async def create_again(world: World, asked: NewTask) -> None:
    """The same create once more, after an unknown answer."""
    if asked.id.int in world.model.tasks:
        await creation.add(world.db, [asked])
        await world.check("create", "create_linked")


async def cancel(world: World, n: int) -> None:
    found = await tasks.cancel(world.db, [task_id(n)], reason="no need")
    assert found == _found(world, n), f"cancel answers {found}"
    world.model.cancel(n)
    await world.check("cancel")


async def delete(world: World, n: int) -> None:
    before = _found(world, n)
    found = await tasks.delete(world.db, [task_id(n)])
    is_awaited = world.model.is_awaited(n)
    wanted = {id: Deletion(status, is_awaited) for id, status in before.items()}
    assert found == wanted, f"delete answers {found}"
    world.model.delete(n)
    await world.check("delete")


async def settle(world: World) -> None:
    """All that a supervisor finds to count, step by step."""
    while await settling.mark_needed(world.db) or (await settling.settle(world.db)).notes:
        pass
    world.model.settle()
    await world.check("settle")


async def prune(world: World) -> None:
    before = NOON + timedelta(seconds=moment(world.model.now - PRUNE_AFTER))
    ripe: dict[Status, Any] = dict.fromkeys(FINAL, before)
    pruned = await retention.prune(world.db, _EVERYTHING, ripe)
    assert sum(pruned.values()) == len(world.model.prune())
    await world.check("prune")


async def bid(world: World, node: str, *, ahead: int = 1) -> None:
    """For the next term, or for one that is taken already."""
    term = world.model.term + ahead
    me = Candidate(_NODES[node], Part.SUPERVISOR, "here", 1)
    is_won = await leadership.bid(world.db, me, term=term, lease=LEASE)
    assert is_won == world.model.bid(node, term, LEASE), "bid"
    if is_won:
        world.terms[node] = term
    await world.check("bid")


async def renew(world: World, node: str) -> None:
    tenure = Tenure(_NODES[node], world.terms[node], LEASE)
    survey = await workers.survey(world.db, tenure)
    assert survey.is_renewed == world.model.renew(node, tenure.term, LEASE), "renew"
    await world.check("survey")


async def resign(world: World, node: str) -> None:
    await leadership.resign(world.db, _NODES[node], term=world.terms[node])
    world.model.resign(node, world.terms[node])
    await world.check("resign")


def _found(world: World, n: int) -> dict[Any, Status]:
    task = world.model.tasks.get(n)
    return {} if task is None else {task_id(n): task.status}
