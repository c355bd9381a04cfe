"""Which task is meant: a whole id, or a beginning that only one task has."""

import re
from uuid import UUID

from fcs.database import insights
from fcs.database.connect import Connection
from fcs.domain.errors import InvalidInput, TaskNotFound
from fcs.domain.ids import TaskId

_DIGITS = 32


async def resolve(db: Connection, text: str) -> TaskId:
    """Find the one task whose id begins so.

    Raises `InvalidInput` when there are several, `TaskNotFound` when there is none.
    """
    digits = text.strip().lower().replace("-", "")
    if not re.fullmatch(rf"[0-9a-f]{{1,{_DIGITS}}}", digits):
        raise InvalidInput(
            f"{text[:100]!r} is not the id of a task", hint="`fcs task list` shows the ids."
        )
    found = await insights.find_by_prefix(
        db, low=UUID(digits.ljust(_DIGITS, "0")), high=UUID(digits.ljust(_DIGITS, "f"))
    )
    if not found:
        raise missing(text)
    if len(found) > 1:
        raise InvalidInput(
            f"the ids of several tasks begin with {text!r}",
            hint=f"Add more of it: {found[0]} and {found[1]} are two of them.",
        )
    return found[0]


def missing(id: TaskId | str) -> TaskNotFound:
    return TaskNotFound(
        f"there is no task {str(id)[:100]}",
        hint="It may have been deleted. `fcs task list` shows what is there.",
    )
