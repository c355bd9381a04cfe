"""The registry of task types: functions by name, and their typed arguments as JSON."""

from fcs.registry.names import check_limit_key, check_priority, check_queue
from fcs.registry.options import (
    Isolation,
    TaskOptions,
    check_attempts,
    check_on_interrupt,
    check_timeout,
)
from fcs.registry.registry import Registry
from fcs.registry.signature import InvalidTaskType
from fcs.registry.tasktype import TaskType, read_json

__all__ = [
    "InvalidTaskType",
    "Isolation",
    "Registry",
    "TaskOptions",
    "TaskType",
    "check_attempts",
    "check_limit_key",
    "check_on_interrupt",
    "check_priority",
    "check_queue",
    "check_timeout",
    "read_json",
]
