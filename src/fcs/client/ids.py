"""Where ids come from: this machine's clock for their order, its entropy for the rest."""

import os
import time

from fcs.domain.ids import ENTROPY_BYTES, RunId, TaskId, uuid7


def new_task_id() -> TaskId:
    """An id that sorts by its creation time. Nothing but the order of lists depends on it."""
    return TaskId(uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES)))


def new_run_id() -> RunId:
    """The token of a run."""
    return RunId(uuid7(time.time_ns() // 1_000_000, os.urandom(ENTROPY_BYTES)))
