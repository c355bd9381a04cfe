"""A schedule: a named rule that creates tasks, what it makes up for, and who decides what it says.

A schedule written in code is declared by each worker at its start. Workers of two deploys may
declare the same name differently, and be started anew in any order; `prevailing` says who wins.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import takewhile
from typing import Any, Final, NamedTuple

import msgspec

from fcs.domain.cron import Rule
from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.given import shown
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask

NAME_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$"
DEFAULT_TZ: Final = "UTC"

ON_TIME: Final = timedelta(seconds=60)
"""A fire that is later than that was missed; a supervisor that is started anew misses nothing."""

MISSED_MAX: Final = 1_000
"""So many missed fires are made up for at the most, the latest ones."""

_NAME = re.compile(NAME_PATTERN)
_RESERVED: Final = frozenset({"preview"})
_PER_TASK: Final = frozenset({"scheduled_at", "delay", "key", "after", "when_needs_fail"})
_MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder(order="deterministic")


class CatchUp(StrEnum):
    """What becomes of fires that were missed because no supervisor or no database was there."""

    SKIP = "skip"
    """They are left out."""
    ONCE = "once"
    """The latest of them stands for all."""
    ALL = "all"
    """Each is made up for, up to `MISSED_MAX`."""


class Source(StrEnum):
    CODE = "code"
    API = "api"


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule says: when, and which task. `args` is a JSON object as text.

    `options` are the fields of its tasks besides type, arguments and time.
    """

    cron: str
    tz: str = DEFAULT_TZ
    catch_up: CatchUp = CatchUp.SKIP
    ty: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    options: dict[str, Any] = {}

    @property
    def rule(self) -> Rule:
        """Raises `InvalidInput` for an expression or a zone that cannot be read."""
        return Rule(self.cron, self.tz)

    @property
    def digest(self) -> str:
        """The same for definitions that say the same."""
        said = msgspec.structs.asdict(self) | {"args": msgspec.json.decode(self.args)}
        return sha256(_encoder.encode(said)).hexdigest()

    def task(self, id: TaskId, scheduled_at: datetime | None) -> NewTask:
        """A task of this schedule. Raises `msgspec.ValidationError` for unreadable options."""
        fields = self.options | {"id": str(id), "ty": self.ty, "args": b""}
        task = msgspec.convert(fields, NewTask)
        return msgspec.structs.replace(task, args=bytes(self.args), scheduled_at=scheduled_at)


def defined(cron: str, tz: str, catch_up: CatchUp, task: NewTask) -> Definition:
    """The definition of a schedule that creates tasks like this one.

    Raises `InvalidInput` when the rule cannot be read, or the task has what only a single task can
    have, such as a time.
    """
    usual = NewTask(task.id, task.ty, task.args)
    unusual = [
        field for field in task.__struct_fields__ if getattr(task, field) != getattr(usual, field)
    ]
    for field in unusual:
        if field in _PER_TASK:
            problem = Problem(f"/task/{field}", "is for a single task, not for those of a schedule")
            raise InvalidInput(
                f"`{field}` {problem.message}.", hint="Leave it out.", problems=[problem]
            )
    options = {field: msgspec.to_builtins(getattr(task, field)) for field in unusual}
    rule = Rule(cron, tz)
    return Definition(
        cron=rule.cron,
        tz=tz,
        catch_up=catch_up,
        ty=task.ty,
        args=msgspec.Raw(task.args),
        options=options,
    )


def check_name(name: str) -> str:
    """Return the name of a schedule, or raise `InvalidInput`."""
    if is_name(name) and name not in _RESERVED:
        return name
    message = f"{shown(name)} is not the name of a schedule"
    raise InvalidInput(
        f"{message[0].upper()}{message[1:]}.",
        hint=f"{name!r} has a meaning of its own; choose another name."
        if name in _RESERVED
        else "Start with a letter, a digit or an underscore; go on with letters, digits, dots,"
        " dashes and underscores; at most 200 characters.",
        problems=[Problem("/name", message)],
    )


def is_name(name: object) -> bool:
    """Whether a schedule might have that name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_catch_up(word: str) -> CatchUp:
    """Return what to do about missed fires, or raise `InvalidInput`."""
    try:
        return CatchUp(word)
    except ValueError:
        message = f"{str(word)[:50]!r} is no way to catch up"
        raise InvalidInput(
            f"{message[0].upper()}{message[1:]}.",
            hint=f"Say one of {', '.join(CatchUp)}.",
            problems=[Problem("/catch_up", message)],
        ) from None


def due_fires(
    rule: Rule, catch_up: CatchUp, *, next_fire_at: datetime, now: datetime
) -> list[datetime]:
    """For which moments to create tasks now, the earliest first.

    `next_fire_at` is the first for which none was created yet.
    """
    match catch_up:
        case CatchUp.SKIP:
            return list(_fires(rule, max(next_fire_at, now - ON_TIME), now))
        case CatchUp.ONCE:
            # One that is on time does what the missed ones were to do.
            on_time = list(_fires(rule, max(next_fire_at, now - ON_TIME), now))
            return on_time or _last_fires(rule, next_fire_at, now, count=1)
        case CatchUp.ALL:
            return _last_fires(rule, next_fire_at, now, count=MISSED_MAX)


class Step(NamedTuple):
    """The moments that are fired now, and the first one that is not."""

    moments: list[datetime]
    next_fire_at: datetime


def next_step(
    rule: Rule, catch_up: CatchUp, *, next_fire_at: datetime, now: datetime, limit: int
) -> Step:
    """The first of the fires that are due, so many at the most; the others are due thereafter.

    Raises `InvalidInput` if the rule never fires again.
    """
    moments = due_fires(rule, catch_up, next_fire_at=next_fire_at, now=now)
    if len(moments) > limit:
        return Step(moments[:limit], moments[limit])
    return Step(moments, rule.next_after(now))


def _fires(rule: Rule, first: datetime, last: datetime) -> Iterator[datetime]:
    return takewhile(lambda fire: fire <= last, rule.fires_after(first - _MICROSECOND))


def _last_fires(rule: Rule, first: datetime, last: datetime, *, count: int) -> list[datetime]:
    """The last fires of a stretch, without walking through all of a long one."""
    reach = timedelta(hours=1)
    while True:
        start = max(first, last - reach)
        found = deque(_fires(rule, start, last), maxlen=count)
        if len(found) == count or start == first:
            return list(found)
        reach *= 4


class Declared(NamedTuple):
    """A definition that was declared for a schedule; `at` is when it was for the first time."""

    digest: str
    at: datetime
    live: int
    """How many live workers declare it."""


def prevailing(declared: Iterable[Declared], current: str | None) -> str | None:
    """Which definition a schedule has, of those that are declared for it.

    Of those that live workers declare, the one that was new last: the last deploy wins at once,
    and a worker of the deploy before that is started anew changes nothing. Once no worker of
    the last deploy is left the one before comes back, as after a rollback.
    """
    live = [found for found in declared if found.live]
    newest = max(live, key=lambda found: (found.at, found.digest), default=None)
    return newest.digest if newest else current


class ScheduleView(msgspec.Struct, frozen=True):
    """A schedule as people and programs look at it.

    `declared_by` counts the live workers whose code says what the schedule says; it is nothing
    for a schedule that was not made by code. `last_task_id` is forgotten after a while.
    """

    name: str
    definition: Definition
    source: Source
    declared_by: int | None
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    last_task_id: TaskId | None
    paused_at: datetime | None
    paused_by: str | None
    paused_why: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def words(self) -> str:
        """Its rule as a person would say it; as it is written where nobody could."""
        try:
            return self.definition.rule.in_words()
        except InvalidInput:
            return f"{self.definition.cron} ({self.definition.tz})"
