"""The office of a leader: the term for which it supervises, and how it ends."""

from fcs.database.leadership import Candidate
from fcs.database.workers import Survey, Tenure
from fcs.domain.errors import LeadershipLost
from fcs.domain.leadership import Leadership
from fcs.domain.topology import Mode, is_candidate


class ModeChanged(Exception):
    """The cluster is to be led by others from now on, or by nobody."""

    def __init__(self, mode: Mode) -> None:
        super().__init__(f"the mode of the cluster is {mode} now")
        self.mode = mode


class Office:
    """What a session may do in the name of its term. `at` is the local clock in seconds."""

    def __init__(self, me: Candidate, leadership: Leadership, *, term: int, lease: float) -> None:
        self.tenure = Tenure(me.node, term, lease)
        self._me, self._leadership = me, leadership

    def surveyed(self, seen: Survey, *, asked_at: float, answered_at: float) -> None:
        """A survey renews the term. Raises `LeadershipLost` and `ModeChanged`."""
        if not seen.is_renewed:
            self._leadership.refused(answered_at)
            raise LeadershipLost(f"somebody else leads, or this term was ended: {self._named}")
        self._leadership.renewed(asked_at=asked_at)
        if not is_candidate(self._me.part, seen.mode):
            raise ModeChanged(seen.mode)

    def make_sure(self, at: float) -> None:
        """Raises `LeadershipLost` where the term may have ended without our knowing."""
        if not self._leadership.leads(at):
            raise LeadershipLost(f"it was not renewed in time: {self._named}")

    @property
    def _named(self) -> str:
        return f"term={self.tenure.term}"
