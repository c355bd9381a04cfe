"""What happens inside a run: a body, what it sees of its run, and how it ends."""

from fcs.body.asks import Cancelled, GiveUp, Retry, Snooze
from fcs.body.context import GIVEN, Ask, Context, current
from fcs.body.perform import perform
from fcs.body.resources import Resources

__all__ = [
    "GIVEN",
    "Ask",
    "Cancelled",
    "Context",
    "GiveUp",
    "Resources",
    "Retry",
    "Snooze",
    "current",
    "perform",
]
