"""The scenes: what is in the tables when the curtain rises, and who has a part in it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from tests.database.scene import (
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    beginning,
    ending,
    incarnation,
    new,
    task_id,
    to,
)

from fcs.database import (
    cluster,
    creation,
    leadership,
    queues,
    runs,
    schedules,
    settling,
    tasks,
    workers,
)
from fcs.database.connect import Connection
from fcs.domain.schedule import Definition
from fcs.domain.task import OnInterrupt, Status
from fcs.domain.topology import Mode
from proof.interleavings import acts as a
from proof.interleavings import offices as o
from proof.interleavings.play import Act

RETRIES: Final = {"max_attempts": 3, "on_interrupt": OnInterrupt.RETRY}


class Scene(NamedTuple):
    name: str
    sets: Callable[[Connection], Awaitable[Any]]
    """Adds to tables in which there are workers 7 and 8, and nothing else."""
    acts: Sequence[Act]
    trios: Sequence[Sequence[Act]] = ()
    leads: Sequence[Act] = ()
    """Some that differ in what they write and compare: one of these does what another one does."""

    @property
    def leading(self) -> Sequence[Act]:
        return self.leads or self.acts


async def pending(db: Connection) -> None:
    await add_tasks(db, 1)


async def dispatched(db: Connection) -> None:
    await add_dispatched(db, 7, 1)


async def running(db: Connection) -> None:
    await add_running(db, 7, 1)


async def running_with_retries(db: Connection) -> None:
    await tasks.create(db, [new(1, **RETRIES)])
    await tasks.dispatch(db, to(7, 1))
    await runs.begin(db, incarnation(7), [beginning(1)])


async def unwanted(db: Connection) -> None:
    """Somebody has asked for its end."""
    await running_with_retries(db)
    await tasks.cancel(db, [task_id(1)], reason="no need")


async def failed(db: Connection) -> None:
    await add_final(db, 7, 1, Status.FAILED)


async def newly_needed(db: Connection) -> None:
    """Task 2 waits for task 1, which does not know it yet."""
    await add_running(db, 7, 1)
    await creation.create_linked(db, [new(2, after=(task_id(1),))])


async def needed(db: Connection) -> None:
    await newly_needed(db)
    assert await settling.mark_needed(db) == 1


async def needed_and_pending(db: Connection) -> None:
    await add_tasks(db, 1)
    await creation.create_linked(db, [new(2, after=(task_id(1),))])
    assert await settling.mark_needed(db) == 1


async def needed_has_succeeded(db: Connection) -> None:
    await needed(db)
    await runs.succeed(db, [ending(1)], "")


async def needed_has_failed(db: Connection) -> None:
    await needed(db)
    await runs.finish(db, [ending(1, Status.FAILED)], "")


async def led(db: Connection) -> None:
    """The leader's lease is over, and it does not know."""
    await add_tasks(db, 1)
    assert await leadership.bid(db, o.LEADER, term=1, lease=-1.0)


async def vacant(db: Connection) -> None:
    await led(db)
    await leadership.resign(db, o.LEADER.node, term=1)


async def nobody_asked(db: Connection) -> None:
    """An empty table."""


async def asked(db: Connection) -> None:
    """A key, and the task that it stands for."""
    await creation.create_linked(db, [new(1, key="order 1")])


async def asked_long_ago(db: Connection) -> None:
    """The task is gone, the key is not."""
    await asked(db)
    await tasks.delete(db, [task_id(1)])


async def limited(db: Connection) -> None:
    await queues.set_limits(db, "default", {"running_max": 3})


async def hashed(db: Connection) -> None:
    await cluster.change(db, mode=Mode.HASH, strategy=None)


async def due(db: Connection) -> None:
    """A schedule that is to fire now."""
    hourly = Definition(cron="0 * * * *", ty="baz")
    assert await schedules.create_schedule(db, "hourly", hourly, next_fire_at=NOON)


async def lost(db: Connection) -> None:
    """Worker 7 was reaped."""
    await workers.end_worker(db, incarnation(7), state="lost")


async def on_hold(db: Connection) -> None:
    """The database may have forgotten something; one task lies with a worker, one waits."""
    await add_dispatched(db, 7, 1)
    await add_tasks(db, 2)
    await db.execute("update fcs.identity set on_hold_since = %s", [NOON - SECOND])


EVERYBODY: Final[Sequence[Act]] = [
    a.dispatch, a.dispatch_to_rival, a.begin, a.begin_as_another_run, a.begin_as_rival, a.succeed,
    a.fail, a.record_late, a.release, a.retry, a.hand_back, a.refuse, a.take_back, a.reap,
    a.delete, a.cancel, a.beat, a.drain, a.leave, a.take_over, a.settle_account, a.testify,
    a.succeed_as_another_run, a.fail_as_another_run,
]  # fmt: skip

WRITERS: Final[Sequence[Act]] = [
    a.dispatch, a.begin, a.succeed, a.take_back, a.reap, a.delete, a.cancel,
]  # fmt: skip

WAITING: Final[Sequence[Act]] = [
    a.succeed, a.fail, a.release, a.reap, a.mark_needed, a.settle, a.create_after, a.cancel,
    a.cancel_dependant, a.delete, a.delete_dependant, a.prune,
]  # fmt: skip

WAITERS: Final[Sequence[Act]] = [
    a.succeed, a.mark_needed, a.settle, a.create_after, a.cancel_dependant, a.delete, a.prune,
]  # fmt: skip

LEADING: Final[Sequence[Act]] = [
    o.bid, o.bid_as_rival, o.renew, o.renew_as_successor, o.resign, o.dispatch_as_leader,
    o.dispatch_as_successor, a.dispatch, o.bid_again,
]  # fmt: skip

KEYED: Final[Sequence[Act]] = [
    a.create_with_key, a.create_again_with_key, a.reuse_key, a.create, a.delete, a.forget_keys,
]  # fmt: skip

RULING: Final[Sequence[Act]] = [
    o.switch_to_hash, o.switch_to_elected, o.switch_strategy, o.limit, o.limit_rate,
    o.lift_limits, o.pause_queue,
]  # fmt: skip

RULERS: Final[Sequence[Act]] = [
    o.switch_to_hash, o.switch_to_elected, o.limit, o.lift_limits,
]  # fmt: skip

SCENES: Final[Sequence[Scene]] = [
    Scene("pending", pending, EVERYBODY, [
        [a.dispatch, a.dispatch_to_rival, a.cancel],
        [a.dispatch, a.reap, a.dispatch_to_rival],
        [a.dispatch, a.begin, a.delete],
    ], WRITERS),
    Scene("dispatched", dispatched, EVERYBODY, [
        [a.begin, a.begin_as_another_run, a.reap],
        [a.begin, a.take_back, a.dispatch_to_rival],
        [a.begin, a.cancel, a.hand_back],
        [a.reap, a.take_over, a.begin],
        [a.take_back, a.dispatch, a.begin],
    ], WRITERS),
    Scene("running", running, EVERYBODY, [
        [a.succeed, a.reap, a.cancel],
        [a.succeed, a.fail, a.record_late],
        [a.release, a.reap, a.dispatch_to_rival],
        [a.leave, a.reap, a.succeed],
        [a.beat, a.reap, a.succeed],
    ], WRITERS),
    Scene("running with retries", running_with_retries, [
        a.retry, a.snooze, a.succeed, a.fail, a.release, a.reap, a.leave, a.cancel, a.delete,
        a.report_progress, a.testify, a.testify_while_it_runs, a.dispatch_to_rival, a.record_late,
    ], [
        [a.retry, a.reap, a.cancel],
        [a.retry, a.dispatch_to_rival, a.reap],
    ], [a.retry, a.succeed, a.reap, a.cancel, a.testify_while_it_runs]),
    Scene("unwanted", unwanted, [
        a.retry, a.snooze, a.stop, a.succeed, a.release, a.reap, a.cancel, a.delete, a.testify,
    ], leads=[a.retry, a.stop, a.release, a.reap]),
    Scene("failed", failed, [
        a.delete, a.prune, a.repeat, a.record_late, a.cancel, a.succeed, a.create, a.testify,
    ], [[a.delete, a.repeat, a.record_late]], [
        a.delete, a.prune, a.repeat, a.record_late,
    ]),
    Scene("newly needed", newly_needed, WAITING, [
        [a.succeed, a.mark_needed, a.settle],
    ], WAITERS),
    Scene("needed", needed, WAITING, [
        [a.succeed, a.settle, a.create_after],
        [a.fail, a.settle, a.cancel_dependant],
    ], WAITERS),
    Scene("needed and pending", needed_and_pending, [
        a.dispatch, a.cancel, a.delete, a.create_after, a.settle, a.mark_needed, a.delete_dependant,
    ]),
    Scene("needed has succeeded", needed_has_succeeded, WAITING[4:], leads=WAITERS[1:]),
    Scene("needed has failed", needed_has_failed, WAITING[4:], leads=WAITERS[1:]),
    Scene("led", led, LEADING, [
        [o.bid, o.bid_as_rival, o.renew],
        [o.dispatch_as_leader, o.bid, o.dispatch_as_successor],
    ], LEADING[:6]),
    Scene("vacant", vacant, LEADING, leads=LEADING[:2]),
    Scene("nobody asked", nobody_asked, KEYED, [
        [a.create_with_key, a.create_again_with_key, a.reuse_key],
    ], KEYED[:3]),
    Scene("asked", asked, KEYED, leads=KEYED[1:]),
    Scene("asked long ago", asked_long_ago, KEYED, leads=[KEYED[0], KEYED[1], KEYED[5]]),
    Scene("unlimited", nobody_asked, RULING, leads=RULERS),
    Scene("limited", limited, RULING, leads=RULERS),
    Scene("hashed", hashed, RULING, leads=RULERS),
    Scene("due", due, [
        o.fire, o.fire_as_rival, o.pause_schedule, o.resume_schedule, o.delete_schedule,
    ]),
    Scene("lost", lost, [
        a.take_over, a.take_over_as_rival, a.register, a.register_as_rival, a.forget_ended, a.beat,
        a.reap,
    ], leads=[a.take_over, a.take_over_as_rival, a.register, a.register_as_rival]),
    Scene("on hold", on_hold, [
        a.adopt, a.has_testified, a.testify, a.begin, a.dispatch, a.release, a.hand_back, a.cancel,
        a.reap, a.beat,
    ], leads=[a.adopt, a.has_testified, a.testify, a.begin, a.cancel]),
]  # fmt: skip
