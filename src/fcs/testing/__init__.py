"""Testing tasks: run them here and now, or on a database of the test's own.

Nothing here belongs in production: `freeze` stops the clock of a whole database. Names are loaded
when they are first used, because pytest loads the plugin wherever fcs is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcs.testing.asserting import assert_enqueued as assert_enqueued
    from fcs.testing.clock import Clock as Clock
    from fcs.testing.clock import freeze as freeze
    from fcs.testing.draining import StillDue as StillDue
    from fcs.testing.draining import drain as drain
    from fcs.testing.draining import drain_sync as drain_sync
    from fcs.testing.inlining import Inline as Inline
    from fcs.testing.inlining import inline as inline
    from fcs.testing.ran import Ran as Ran
    from fcs.testing.replacing import replace as replace
    from fcs.testing.single import run as run
    from fcs.testing.single import run_sync as run_sync

_HOMES = {
    "Clock": "fcs.testing.clock",
    "Inline": "fcs.testing.inlining",
    "Ran": "fcs.testing.ran",
    "StillDue": "fcs.testing.draining",
    "assert_enqueued": "fcs.testing.asserting",
    "drain": "fcs.testing.draining",
    "drain_sync": "fcs.testing.draining",
    "freeze": "fcs.testing.clock",
    "inline": "fcs.testing.inlining",
    "replace": "fcs.testing.replacing",
    "run": "fcs.testing.single",
    "run_sync": "fcs.testing.single",
}

__all__ = [
    "Clock",
    "Inline",
    "Ran",
    "StillDue",
    "assert_enqueued",
    "drain",
    "drain_sync",
    "freeze",
    "inline",
    "replace",
    "run",
    "run_sync",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fcs.testing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
