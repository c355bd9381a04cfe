"""Free Churro Scheduler: a task queue on Postgres alone.

This is the public door. Names are loaded when they are first used, so importing `fcs` opens
nothing and costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcs.client.app import App as App
    from fcs.client.task import Task as Task
    from fcs.domain.errors import FcsError as FcsError
    from fcs.domain.task import Status as Status

__version__ = "0.1.0"
__all__ = ["App", "FcsError", "Status", "Task"]

_HOMES = {
    "App": "fcs.client.app",
    "Task": "fcs.client.task",
    "FcsError": "fcs.domain.errors",
    "Status": "fcs.domain.task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fcs' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
