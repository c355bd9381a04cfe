"""What the statements compare before they set anything, and the locks that they take first.

Each can be taken out, to see that a stage of the proof notices. What is left then is still SQL.
What is beyond them has a mutant, which a test of the statement catches.
Some are spare, and stay for whoever reads the statement, which is not to be right by what another
one does.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, NamedTuple


class Fence(NamedTuple):
    statement: str
    """As `module.name`, of `fcs.database`."""
    what: str
    text: str
    """Of the statement; any white space is like any other."""
    instead: str = ""
    spare: str = ""
    """Why nobody need notice, if something else compares as much."""
    mutant: str = ""
    """What takes it out of the source, where only a test of the statement can notice."""

    def __str__(self) -> str:
        return f"{self.statement}: {self.what}"

    @contextmanager
    def taken_out(self) -> Iterator[str]:
        """The statement does without it while the block runs; yields what is left of it."""
        module, _, name = self.statement.partition(".")
        statements: dict[str, Any] = vars(import_module(f"fcs.database.{module}"))["_SQL"]
        whole = statements[name]
        pattern = re.escape(self.text).replace(r"\ ", r"\s+")
        without, count = re.subn(pattern, self.instead, whole)
        assert count == 1, f"{self}: found {count} times"
        statements[name] = without
        try:
            yield without
        finally:
            statements[name] = whole


_IN_A_FAILOVER: Final = "only after a failover is the number of a dispatch given twice"

_OF_A_DISPATCH: Final = {
    "tasks.hand_back": (
        "and tasks.incarnation is not distinct from %(incarnation)b",
        "and tasks.dispatch_no = wanted.dispatch_no",
        "and tasks.status = 'dispatched'",
    ),
    "tasks.take_back": (
        "and tasks.incarnation is not distinct from wanted.incarnation",
        "and tasks.dispatch_no = wanted.dispatch_no",
        "and tasks.status = 'dispatched'",
    ),
    "tasks.refuse": (
        "and incarnation = %(incarnation)s",
        "and dispatch_no = %(dispatch_no)s",
        "and status = 'dispatched'",
    ),
    "runs.begin": (
        "and tasks.incarnation is not distinct from %(incarnation)b",
        "and tasks.dispatch_no = wanted.dispatch_no",
        "tasks.status = 'dispatched' and tasks.attempt + 1 = coalesce(wanted.attempt, 1) or",
    ),
}

_OF_A_RUN: Final = {
    "runs.succeed": ("and tasks.run_id = ended.run_id", "and tasks.status = 'running'"),
    "runs.finish": ("and tasks.run_id = ended.run_id", "and tasks.status = 'running'"),
    "runs.retry": ("and tasks.run_id = ended.run_id", "and tasks.status = 'running'"),
    "runs.release": (
        "and tasks.run_id is not distinct from wanted.run_id",
        "and tasks.status = 'running'",
    ),
}

FENCES: Final[tuple[Fence, ...]] = (
    *(
        Fence(
            statement,
            what,
            text,
            "true or" if text.endswith("or") else "",
            _IN_A_FAILOVER if what == "incarnation" else "",
        )
        for statement, texts in _OF_A_DISPATCH.items()
        for what, text in zip(("incarnation", "dispatch_no", "status"), texts, strict=True)
    ),
    Fence("runs.begin", "attempt", "and tasks.attempt + 1 = coalesce(wanted.attempt, 1)",
          spare=_IN_A_FAILOVER),
    Fence("runs.begin", "run_id", "and tasks.run_id = wanted.run_id"),
    *(
        Fence(statement, what, text)
        for statement, texts in _OF_A_RUN.items()
        for what, text in zip(("run_id", "status"), texts, strict=True)
    ),
    Fence("runs.retry", "max_attempts",
          "and tasks.attempt < tasks.max_attempts + ended.more_attempts"),
    Fence("runs.retry", "cancel_requested_at", "and tasks.cancel_requested_at is null"),
    Fence("tasks.dispatch", "status", "and tasks.status = 'pending'",
          spare="only what is pending has a due_at"),
    Fence("tasks.dispatch", "due_at", "and coalesce(tasks.due_at, 'infinity') <= now"),
    Fence("tasks.dispatch", "state of the worker", "and workers.state = 'live'"),
    Fence("tasks.dispatch", "term",
          "(%(term)s::bigint is null or office.is_ours)",
          "(true or %(term)s::bigint is null)"),
    Fence("tasks.dispatch", "lock of the term", "where term = %(term)s for share",
          "where term = %(term)s", spare="it is for what the next leader reads, not for rows"),
    Fence("tasks.dispatch", "lock of the worker", "for no key update of workers"),
    Fence("tasks.take_back", "lock of the worker", "for no key update"),
    Fence("tasks.cancel", "status", "and found.status in ('pending', 'dispatched')"),
    Fence("tasks.cancel", "lock of the task", "for no key update of tasks"),
    Fence("tasks.delete", "status", "and found.status <> 'running'"),
    Fence("tasks.delete", "needs", "and not found.is_awaited"),
    Fence("tasks.delete", "lock of the task", "for update of tasks"),
    Fence("tasks.reap", "lock of the tasks", "for no key update of tasks"),
    Fence("tasks.reap", "max_attempts", "and attempt < max_attempts"),
    Fence("workers.lock_worker", "state", "and state in ('live', 'draining')"),
    Fence("workers.lock_worker", "beat_no",
          "and (%(beat_no)s::bigint is null or beat_no = %(beat_no)s)",
          "and (%(beat_no)s::bigint is null or true)"),
    Fence("workers.lock_worker", "lock", "for update skip locked"),
    Fence("workers.lock_registration", "lock", "for update of workers"),
    Fence("workers.register", "incarnation", "where workers.incarnation = %(replaces)s"),
    Fence("workers.beat", "state", "and state in ('live', 'draining')"),
    Fence("workers.settle_account", "tasks_sent", "and tasks_sent = %(tasks_sent)s"),
    Fence("settling.settle", "status", "and tasks.status = 'pending'"),
    # It takes three of one statement each: one who holds a dependant, and two who wait for him.
    Fence("settling.settle", "lock of the dependants", "for no key update of tasks",
          mutant="settle-without-lock"),
    Fence("retention.prune", "needs",
          "and not exists (select from fcs.dependencies where needs_id = tasks.id and is_open)"),
    Fence("leadership.bid", "term", "leadership.term = %(term)s - 1 and"),
    Fence("leadership.bid", "vacancy", "or expires_at <= fcs.now()", "or true"),
    Fence("leadership.resign", "term", "where term = %(term)s and", "where"),
    Fence("cluster.hold", "lock", "for update"),
    Fence("queues.set_limits", "lock of the mode", "for share of cluster"),
    Fence("schedules.fire", "moment", "where schedules.next_fire_at = wanted.was"),
    # Of two who adopt the id tells them apart; it is for whoever has seen no hold at all.
    Fence("identity.adopt", "hold", "and on_hold_since = %(on_hold_since)s",
          mutant="adopt-without-hold"),
)  # fmt: skip
