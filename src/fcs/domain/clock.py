"""The database's clock as a node knows it: read now and then, carried on by the local clock."""

from datetime import datetime, timedelta


class DatabaseClock:
    """An estimate. Whatever depends on being right is decided again in SQL."""

    def __init__(self) -> None:
        self._now: datetime | None = None
        self._at = 0.0

    def sync(self, now: datetime, *, answered_at: float) -> None:
        """Take in the database's time; the answer came at the local moment `answered_at` (seconds).

        The answer travels a little, so the estimate runs slightly behind: a task that falls due
        is offered a moment late rather than too soon, when the database would refuse it.
        """
        self._now, self._at = now, answered_at

    def now(self, at: float) -> datetime:
        """The database's time at the local moment `at`."""
        assert self._now is not None, "the clock was never set"
        return self._now + timedelta(seconds=at - self._at)
