"""Testing tasks: run them here and now, or on a database of the test's own.

Nothing here belongs in production: `freeze` stops the clock of a whole database.
"""

from fcs.testing.asserting import assert_enqueued
from fcs.testing.clock import Clock, freeze
from fcs.testing.drain import StillDue, drain, drain_sync
from fcs.testing.inline import Inline, inline
from fcs.testing.ran import Ran
from fcs.testing.replace import replace
from fcs.testing.run import run, run_sync

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
