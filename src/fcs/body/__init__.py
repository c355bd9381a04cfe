"""What happens inside a run: a body, what it sees of its run, and how it ends."""

from fcs.body.asks import Cancelled, GiveUp, Retry, Snooze
from fcs.body.context import Ask, Context, current
from fcs.body.perform import perform

__all__ = [
    "Ask",
    "Cancelled",
    "Context",
    "GiveUp",
    "Retry",
    "Snooze",
    "current",
    "perform",
]
