"""How a supervisor rests: a busy one looks for itself, and nobody rings it.

Asleep, it is rung for whatever is new; that is the quickest way for a lone task, and dear where
there are many. So once there was work in two rounds in a row it stays awake, naps for
milliseconds and looks for itself; when most naps have brought nothing it falls asleep again.
"""

from enum import Enum

from fcs.domain.supervisor import Plan

NAP = 0.003
"""Seconds. What comes meanwhile is handed out together."""

NAP_MAX = 1.0
"""The longest nap of one that cannot fall asleep, because another supervisor sleeps. Whatever
comes rings for that one, and is heard by both."""

NAPS_MAX = 10
"""After so many naps without work it falls asleep."""

NAPS_UNDONE = 2
"""So many of them are forgotten at a nap that brought work: tasks that come one by one, and more
rarely than that, are handed out asleep, which is quicker."""

OVERLAP = 0.05
"""Seconds by which a look reaches back: so late may somebody's news be committed."""

OVERLAP_LATE = 1.0
"""The same for a look at what came late: now and then while awake, and the last one before a sleep.
News that took longer is found by a rescan."""

LATE_INTERVAL = 0.25
"""Seconds between two looks at what came late. Where every commit is slow they find all there is,
and those who create keep the supervisor from ever looking a last time before a sleep."""

LIST_INTERVAL = 0.1
"""Seconds between two looks for lanes that are not known yet; the head of a lane may be long dead
rows, so that these looks cost more."""

LOOK_MAX = 1_000
"""Tasks of a lane that one look reads; reading on finds the others."""


class Next(Enum):
    GO_ON = "go on"
    NAP = "nap"
    SLEEP = "sleep"
    """Sleep on, until somebody rings."""
    FALL_ASLEEP = "fall asleep"
    WAKE_UP = "wake up"


class Rest:
    """Decides after each round of work whether to go on, nap or sleep."""

    def __init__(self) -> None:
        self.is_asleep = False
        self.nap = NAP
        """How long the next nap takes, in seconds."""
        self._rounds = 0
        self._naps = 0

    def after_round(self, plan: Plan, *, reads_reports: bool = False) -> Next:
        """What to do after a round in which so much was planned and done.

        `reads_reports`: workers write their reports for this one to read while it is awake.
        """
        if plan.assignments:
            self._rounds += 1
            self._naps = max(0, self._naps - NAPS_UNDONE)
            self.nap = NAP
            return Next.WAKE_UP if self.is_asleep and self._rounds > 1 else Next.GO_ON
        if not plan.is_empty:
            # It asked the rows for something, and the next round knows what they say.
            return Next.GO_ON
        self._rounds = 0
        if self.is_asleep:
            return Next.SLEEP
        self._naps += 1
        # Where tasks are due that nobody can take, only news of a worker can help.
        enough = 1 if plan.is_short and not reads_reports else NAPS_MAX
        return Next.FALL_ASLEEP if self._naps > enough else Next.NAP

    def could_not_fall_asleep(self) -> None:
        """Somebody has news under way, or sleeps already: try again, later each time."""
        self._naps = 0
        self.nap = min(2 * self.nap, NAP_MAX)
