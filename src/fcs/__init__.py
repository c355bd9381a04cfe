"""Free Churro Scheduler: a task queue on Postgres alone.

This is the public door. Names are loaded when they are first used, so importing `fcs` opens
nothing and costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcs.body import GIVEN as GIVEN
    from fcs.body import Cancelled as Cancelled
    from fcs.body import Context as Context
    from fcs.body import GiveUp as GiveUp
    from fcs.body import Retry as Retry
    from fcs.body import Snooze as Snooze
    from fcs.body import current as current
    from fcs.client.app import App as App
    from fcs.client.task import Task as Task
    from fcs.domain.errors import DatabaseUnavailable as DatabaseUnavailable
    from fcs.domain.errors import FcsError as FcsError
    from fcs.domain.errors import InDoubt as InDoubt
    from fcs.domain.errors import InvalidArguments as InvalidArguments
    from fcs.domain.errors import InvalidInput as InvalidInput
    from fcs.domain.errors import KeyInFlight as KeyInFlight
    from fcs.domain.errors import KeyReused as KeyReused
    from fcs.domain.errors import NeedsNotFound as NeedsNotFound
    from fcs.domain.errors import PayloadTooLarge as PayloadTooLarge
    from fcs.domain.errors import TaskCancelled as TaskCancelled
    from fcs.domain.errors import TaskFailed as TaskFailed
    from fcs.domain.errors import TaskNotFound as TaskNotFound
    from fcs.domain.errors import WaitTimeout as WaitTimeout
    from fcs.domain.errors import WrongStatus as WrongStatus
    from fcs.domain.outcome import Backoff as Backoff
    from fcs.domain.task import Status as Status
    from fcs.registry.signature import InvalidTaskType as InvalidTaskType

__version__ = "0.1.0"

_HOMES = {
    "App": "fcs.client.app",
    "Backoff": "fcs.domain.outcome",
    "Cancelled": "fcs.body.asks",
    "Context": "fcs.body.context",
    "DatabaseUnavailable": "fcs.domain.errors",
    "FcsError": "fcs.domain.errors",
    "GIVEN": "fcs.body.context",
    "GiveUp": "fcs.body.asks",
    "InDoubt": "fcs.domain.errors",
    "InvalidArguments": "fcs.domain.errors",
    "InvalidInput": "fcs.domain.errors",
    "InvalidTaskType": "fcs.registry.signature",
    "KeyInFlight": "fcs.domain.errors",
    "KeyReused": "fcs.domain.errors",
    "NeedsNotFound": "fcs.domain.errors",
    "PayloadTooLarge": "fcs.domain.errors",
    "Retry": "fcs.body.asks",
    "Snooze": "fcs.body.asks",
    "Status": "fcs.domain.task",
    "Task": "fcs.client.task",
    "TaskCancelled": "fcs.domain.errors",
    "TaskFailed": "fcs.domain.errors",
    "TaskNotFound": "fcs.domain.errors",
    "WaitTimeout": "fcs.domain.errors",
    "WrongStatus": "fcs.domain.errors",
    "current": "fcs.body.context",
}

__all__ = [
    "GIVEN",
    "App",
    "Backoff",
    "Cancelled",
    "Context",
    "DatabaseUnavailable",
    "FcsError",
    "GiveUp",
    "InDoubt",
    "InvalidArguments",
    "InvalidInput",
    "InvalidTaskType",
    "KeyInFlight",
    "KeyReused",
    "NeedsNotFound",
    "PayloadTooLarge",
    "Retry",
    "Snooze",
    "Status",
    "Task",
    "TaskCancelled",
    "TaskFailed",
    "TaskNotFound",
    "WaitTimeout",
    "WrongStatus",
    "current",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fcs' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
