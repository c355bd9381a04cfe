"""Acts on many tasks at a time: which act, on which tasks."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.task import FINAL, Status


class Action(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"
    """Create anew what has ended."""
    DELETE = "delete"


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks are meant; what is `None` says nothing.

    `older_than` is in seconds, counted from the creation.
    """

    status: Status | None = None
    ty: str | None = None
    queue: str | None = None
    older_than: float | None = None

    @property
    def is_empty(self) -> bool:
        return self == _EVERYTHING


_EVERYTHING: Final = Filter()

_ALLOWED: Final[dict[Action, list[Status]]] = {
    Action.CANCEL: [Status.PENDING, Status.DISPATCHED, Status.RUNNING],
    Action.RETRY: sorted(FINAL),
    Action.DELETE: [status for status in Status if status is not Status.RUNNING],
}


_DONE: Final = {Action.CANCEL: "cancelled", Action.RETRY: "retried", Action.DELETE: "deleted"}

_HINTS: Final = {
    Action.CANCEL: "They have ended: their status stays as it is.",
    Action.RETRY: "Only what has ended can be run once more.",
    Action.DELETE: "Cancel what runs, and delete it when it has ended.",
}


def statuses_for(action: Action, wanted: Status | None) -> Sequence[Status]:
    """The statuses of the tasks on which to act.

    What has succeeded is not run once more unless somebody says just that. Raises `InvalidInput`
    where the act can do nothing for tasks of the wanted status.
    """
    allowed = _ALLOWED[action]
    if wanted is not None:
        if wanted not in allowed:
            raise InvalidInput(
                f"there is nothing to {action} in tasks that are {wanted}",
                hint=_HINTS[action],
                problems=[Problem("/filter/status", f"{wanted} tasks cannot be {_DONE[action]}")],
            )
        return [wanted]
    return [s for s in allowed if (action, s) != (Action.RETRY, Status.SUCCEEDED)]
