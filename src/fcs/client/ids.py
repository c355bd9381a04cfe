"""Where ids come from: this machine's clock for their order, its entropy for the rest."""

import os
import time
from typing import cast

from fcs.domain.ids import ENTROPY_BYTES, RunId, TaskId, ids_of, uuid7, uuid7s


def new_task_id() -> TaskId:
    """An id that sorts by its creation time. Nothing but the order of lists depends on it."""
    return TaskId(uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES)))


def new_task_ids(count: int) -> list[TaskId]:
    """Ids for so many tasks, in ascending order."""
    drawn = os.urandom(ENTROPY_BYTES * count)
    return cast(list[TaskId], uuid7s(time.time_ns() // 1_000_000, drawn))


def new_run_ids(count: int) -> list[RunId]:
    """Tokens for so many runs: random ones, drawn from the system's entropy together."""
    return cast(list[RunId], ids_of(os.urandom(16 * count)))
