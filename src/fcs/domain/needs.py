"""What a task has to wait for, checked where it comes in."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.ids import TaskId
from fcs.domain.task import WhenNeedsFail

NEEDS_MAX: Final = 50_000
"""So many tasks can one wait for; more are counted by tasks in between."""


def check_needs(ids: Iterable[UUID | str]) -> tuple[TaskId, ...]:
    """Return the ids of needed tasks, each once, or raise `InvalidInput`."""
    needs: dict[TaskId, None] = {}
    for id in ids:
        try:
            needs[TaskId(UUID(str(id)))] = None
        except ValueError:
            raise _invalid(
                "/after", f"{str(id)[:100]!r} is not the id of a task", "`enqueue` returns it."
            ) from None
    if len(needs) > NEEDS_MAX:
        raise _invalid(
            "/after",
            f"a task cannot wait for {len(needs):,} others",
            f"The limit is {NEEDS_MAX:,}: let tasks in between wait for a part of them each.",
        )
    return tuple(needs)


def check_when_needs_fail(word: str) -> WhenNeedsFail:
    """Return what to do when a needed task ends without success, or raise `InvalidInput`."""
    try:
        return WhenNeedsFail(word)
    except ValueError:
        raise _invalid(
            "/when_needs_fail",
            f"{str(word)[:50]!r} is no answer to a needed task that fails",
            'Say "cancel" (the default) or "run".',
        ) from None


def _invalid(pointer: str, message: str, hint: str) -> InvalidInput:
    text = f"{message[0].upper()}{message[1:]}."
    return InvalidInput(text, hint=hint, problems=[Problem(pointer, message)])
