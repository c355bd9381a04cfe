"""Moments for which a task may be scheduled."""

from datetime import UTC, datetime
from typing import Final

from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.given import require

# Postgres and Python both know what lies between; each knows some years that the other does not.
MOMENT_MIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT_MAX: Final = datetime(9000, 1, 1, tzinfo=UTC)


def checked_moment(moment: datetime) -> datetime:
    """Return an aware moment in UTC, or raise `InvalidInput`.

    In UTC, because Postgres takes offsets of less than 16 hours only.
    """
    require(
        "scheduled_at",
        moment,
        datetime,
        wanted="a datetime",
        hint="Use an aware datetime, as datetime.now(UTC) + timedelta(hours=1); for a stretch of"
        " time there is delay.",
    )
    if moment.utcoffset() is None:
        raise _invalid(
            f"scheduled_at {moment.isoformat()} has no time zone",
            "has no time zone",
            "Use an aware datetime, as datetime.now(UTC) + timedelta(hours=1).",
        )
    if not MOMENT_MIN <= moment < MOMENT_MAX:
        raise _invalid(
            f"scheduled_at {moment.isoformat()} is out of range",
            "out of range",
            f"Choose a moment between the years {MOMENT_MIN.year} and {MOMENT_MAX.year}.",
        )
    return moment.astimezone(UTC)


def _invalid(message: str, problem: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, problems=[Problem("/scheduled_at", problem)])
