"""How a node behaves: one frozen record, its relations checked where they live."""

from collections.abc import Mapping

import msgspec

from fcs.domain.errors import InvalidSettings
from fcs.domain.retention import FOREVER, KEEP_MIN
from fcs.domain.task import Status

DAY = 86_400.0

AGING_MAX = 365 * 86_400.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds."""

    beat_interval: float = 1.0
    """How often a worker renews its lease."""

    lease: float = 5.0
    """How long a worker may be silent before it is lost."""

    leader_lease: float = 5.0
    """How long a leader may be silent before another one takes its place."""

    survey_interval: float = 1.0
    """How often the supervisor looks at the workers."""

    rescan_interval: float = 5.0
    """How often everybody looks at the rows, whatever the hints said."""

    poll_interval: float = 0.5
    """How often those whom no hints reach look at the rows while nothing happens; while something
    does, they look twenty times as often."""

    hint_again_after: float = 3.0
    """A task dispatched this long ago and not begun is named to its worker once more."""

    take_back_after: float = 10.0
    """A task dispatched this long ago and not begun goes back to pending."""

    aging: float = 600.0
    """So long a wait counts like one point of priority."""

    window: int = 10_000
    """How many waiting tasks the supervisor holds in memory at most, or nearly so."""

    forget_workers_after: float = 600.0
    """How long the row of a lost or departed worker is kept for people to see."""

    kill_grace: float = 5.0
    """How long a body in a child process may take to end once it was asked to."""

    child_runs_max: int = 1_000
    """After so many runs a child process is replaced."""

    child_growth_mib: int = 256
    """A child process that has grown by so many MiB is replaced."""

    keep_keys: float = 86_400.0
    """How long an idempotency key is held after the last of its tasks was deleted."""

    keep_succeeded: float = 7 * DAY
    """How long a task is kept after it has succeeded; 0 keeps it for ever."""

    keep_failed: float = 30 * DAY
    """The same of one that failed."""

    keep_interrupted: float = 30 * DAY
    """The same of one that was interrupted."""

    keep_cancelled: float = 30 * DAY
    """The same of one that was cancelled."""

    def __post_init__(self) -> None:
        self._require(self.beat_interval > 0, "beat_interval must be positive")
        self._require(
            self.lease >= 3 * self.beat_interval,
            "lease must be at least three beat intervals, or one late beat kills a worker",
        )
        self._require(
            self.lease > 2 * self.survey_interval,
            "lease must be more than two survey intervals, or nobody could notice in time",
        )
        self._require(
            self.leader_lease >= 3 * self.survey_interval,
            "leader_lease must be at least three survey intervals, as a survey renews it",
        )
        self._require(
            self.take_back_after > self.hint_again_after > 0,
            "take_back_after must be longer than hint_again_after",
        )
        self._require(self.survey_interval > 0, "survey_interval must be positive")
        self._require(self.rescan_interval > 0, "rescan_interval must be positive")
        self._require(self.poll_interval > 0, "poll_interval must be positive")
        self._require(self.kill_grace > 0, "kill_grace must be positive")
        self._require(self.child_runs_max >= 1, "child_runs_max must be at least 1")
        self._require(self.child_growth_mib >= 1, "child_growth_mib must be at least 1")
        self._require(self.keep_keys >= 0, "keep_keys must not be negative")
        self._require(
            0 < self.aging <= AGING_MAX, "aging must be more than nothing and at most a year"
        )
        self._require(self.window >= 100, "window must be at least 100 tasks")
        for status, seconds in self.keep.items():
            self._require(
                seconds == FOREVER or seconds >= KEEP_MIN,
                f"keep_{status} must be at least an hour, or 0 for ever: a create that is sent"
                " again must find its task",
            )

    @property
    def keep(self) -> Mapping[Status, float]:
        """How long final tasks are kept, by status."""
        return {
            Status.SUCCEEDED: self.keep_succeeded,
            Status.FAILED: self.keep_failed,
            Status.INTERRUPTED: self.keep_interrupted,
            Status.CANCELLED: self.keep_cancelled,
        }

    @staticmethod
    def _require(holds: bool, message: str) -> None:
        if not holds:
            raise InvalidSettings(message, hint="Change the setting and start again.")
