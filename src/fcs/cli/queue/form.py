"""Queues as the verbs write them."""

from collections.abc import Sequence

from fcs.cli.output import columns, pairs
from fcs.cli.text import moment
from fcs.database.queues import QueueView


def table(queues: Sequence[QueueView]) -> str:
    return columns(
        ["QUEUE", "DUE", "SCHEDULED", "HELD", "LIMITS", "LIMITS OF EACH KEY", "PAUSED"],
        [
            (
                queue.name,
                queue.due,
                queue.scheduled,
                queue.held,
                in_words(queue.running_max, queue.rate, queue.burst),
                in_words(queue.key_running_max, queue.key_rate, queue.key_burst),
                paused(queue),
            )
            for queue in queues
        ],
    )


def lines(queue: QueueView) -> str:
    """Everything about one queue."""
    return pairs(
        [
            ("queue", queue.name),
            ("due", queue.due),
            ("scheduled", queue.scheduled),
            ("held by workers", queue.held),
            ("limits", in_words(queue.running_max, queue.rate, queue.burst)),
            ("of each key", in_words(queue.key_running_max, queue.key_rate, queue.key_burst)),
            ("paused", paused(queue)),
            ("changed", moment(queue.updated_at)),
        ]
    )


def in_words(running_max: int | None, rate: float | None, burst: int | None) -> str:
    """Limits as people say them."""
    parts = [
        f"{running_max} at once" if running_max is not None else "",
        _rate_in_words(rate) if rate is not None else "",
        f"burst {burst}" if burst is not None else "",
    ]
    return ", ".join(filter(None, parts))


def paused(queue: QueueView) -> str:
    """Since when, by whom and why; empty for a queue that is not paused."""
    if queue.paused_at is None:
        return ""
    by = f" by {queue.paused_by}" if queue.paused_by else ""
    why = f": {queue.paused_why}" if queue.paused_why else ""
    return f"since {moment(queue.paused_at)}{by}{why}"


def _rate_in_words(rate: float) -> str:
    """In the smallest unit of time that sees a start at all."""
    for unit, seconds in (("s", 1), ("m", 60), ("h", 3_600)):
        if rate * seconds >= 1:
            return f"{rate * seconds:g}/{unit}"
    return f"{rate * 86_400:g}/d"
