"""A clock that stands still: the one of a whole database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from fcs.client.app import App
from fcs.database import testing
from fcs.database.connect import connect_sync
from fcs.database.testing import Database
from fcs.domain.durations import Duration, seconds_of
from fcs.domain.errors import InvalidInput
from fcs.domain.moments import checked_moment


class Clock:
    """The frozen clock. Every session of the database sees it move at once."""

    def __init__(self, db: Database, moment: datetime) -> None:
        self._db = db
        self.move_to(moment)

    @property
    def now(self) -> datetime:
        return self._now

    def move_to(self, moment: datetime) -> None:
        """Let the clock stand at another moment, an aware datetime."""
        self._now = checked_moment(moment)
        testing.set_clock(self._db, self._now)

    def travel(self, duration: Duration) -> None:
        """Move the clock on: by seconds, a timedelta, or text like "1h30m"."""
        self.move_to(self._now + timedelta(seconds=seconds_of(duration)))


@contextmanager
def freeze(app: App, moment: datetime) -> Iterator[Clock]:
    """Stop the clock of the app's database while the block runs.

    Supervisors, workers and clients live by that clock: what is scheduled falls due when a test
    moves it there. The database must have "test" in its name, because nothing else on it would
    go on either; raises `InvalidInput` otherwise.
    """
    with connect_sync(app.store.url(), part="testing") as db:
        if "test" not in db.info.dbname:
            raise InvalidInput(
                f"the clock of the database {db.info.dbname!r} is not stopped for a test",
                hint="Use a database of the tests' own, with `test` in its name.",
            )
        running = testing.find_clock(db)
        try:
            yield Clock(db, moment)
        finally:
            testing.restore_clock(db, running)
