"""What a body may raise to say how its run is to end."""

from fcs.domain.durations import Duration, seconds_of


class Retry(Exception):
    """The attempt failed; try again, after `delay` where it is given.

    Counts as an attempt: when none is left the task fails with `message`. Raises `InvalidInput`
    for a delay that is none.
    """

    def __init__(self, message: str = "", *, delay: Duration | None = None) -> None:
        super().__init__(message)
        self.delay = None if delay is None else seconds_of(delay, option="delay")


class Snooze(Exception):
    """Not now: run this task again after `delay`. Does not use up an attempt.

    Raises `InvalidInput` for a delay that is none.
    """

    def __init__(self, delay: Duration, message: str = "") -> None:
        super().__init__(message)
        self.delay = seconds_of(delay, option="delay")


class GiveUp(Exception):
    """The task cannot succeed: fail now, whatever attempts are left."""


class Cancelled(BaseException):
    """The run is to end, and the body has noticed: raised by `Context.check` and `progress`.

    Not an `Exception`, so that a broad `except` does not swallow it.
    """
