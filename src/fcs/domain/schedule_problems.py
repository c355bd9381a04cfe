"""What is wrong with schedules, in words with what to do."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from fcs.domain.problems import ClusterProblem, in_words
from fcs.domain.schedule import ScheduleView


def find_schedule_problems(
    views: Sequence[ScheduleView], *, now: datetime, are_workers_live: bool
) -> Iterator[ClusterProblem]:
    """Schedules that rest, and those that no code has any more. `now` is the database's time."""
    for view in views:
        if view.paused_at is not None:
            since = in_words((now - view.paused_at).total_seconds())
            by = f" by {view.paused_by}" if view.paused_by else ""
            why = f" ({view.paused_why})" if view.paused_why else ""
            yield ClusterProblem(
                "paused_schedule",
                f"schedule {view.name!r} was paused{by} {since} ago{why}",
                f"When it may go on:  fcs schedule resume {view.name}",
            )
        # Between two deploys there may be no worker at all, and that is another problem.
        if view.declared_by == 0 and are_workers_live:
            yield ClusterProblem(
                "undeclared_schedule",
                f"schedule {view.name!r} creates tasks, and no live worker's code declares it",
                f"If it was removed from the code:  fcs schedule delete {view.name}",
            )
