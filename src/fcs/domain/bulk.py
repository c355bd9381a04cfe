"""Acts on many tasks at a time: which act, on which tasks."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

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


def statuses_for(action: Action, wanted: Status | None) -> Sequence[Status]:
    """The statuses of the tasks on which to act; none where the act can do nothing for them.

    What has succeeded is not run once more unless somebody says just that.
    """
    allowed = _ALLOWED[action]
    if wanted is not None:
        return [wanted] if wanted in allowed else []
    return [s for s in allowed if (action, s) != (Action.RETRY, Status.SUCCEEDED)]
