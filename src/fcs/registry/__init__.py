"""The registry of task types: functions by name, and their typed arguments as JSON."""

from fcs.registry.names import check_priority, check_queue
from fcs.registry.registry import Registry
from fcs.registry.signature import InvalidTaskType
from fcs.registry.tasktype import TaskType

__all__ = ["InvalidTaskType", "Registry", "TaskType", "check_priority", "check_queue"]
