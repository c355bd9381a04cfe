"""Many tasks in parts, each of which one statement can create: all of them, or none.

Postgres cannot read a JSON array of more than 256 MB, and a statement must be over within its
timeout.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from fcs.database.carrier import Carrier, Rows, SyncCarrier
from fcs.domain.task import NewTask

TASKS_MAX: Final = 10_000
BYTES_MAX: Final = 16 * 1024 * 1024
"""What one statement creates: so many tasks, with so many bytes of arguments."""

Params = Mapping[str, str]


def cut(tasks: Sequence[NewTask]) -> list[list[NewTask]]:
    """The tasks in parts of bounded size, at least one."""
    parts: list[list[NewTask]] = [[]]
    size = 0
    for task in tasks:
        size += len(task.args)
        if parts[-1] and (size > BYTES_MAX or len(parts[-1]) == TASKS_MAX):
            parts.append([])
            size = len(task.args)
        parts[-1].append(task)
    return parts


async def write(carrier: Carrier, statement: str, parts: Sequence[Params]) -> int:
    """Run a statement that creates tasks once for each part; return how many are new."""
    if len(parts) == 1:
        return _created(await carrier.run(statement, _asked(parts[0], carrier.is_alone)))
    async with carrier.together():
        return sum([_created(await carrier.run(statement, _asked(part, False))) for part in parts])


def write_sync(carrier: SyncCarrier, statement: str, parts: Sequence[Params]) -> int:
    """The twin of `write` for code without an event loop."""
    if len(parts) == 1:
        return _created(carrier.run(statement, _asked(parts[0], carrier.is_alone)))
    with carrier.together():
        return sum([_created(carrier.run(statement, _asked(part, False))) for part in parts])


def _asked(part: Params, is_alone: bool) -> Params:
    return {**part, "is_alone": "true" if is_alone else "false"}


def _created(rows: Rows) -> int:
    return int(rows[0][0]) if rows else 0
