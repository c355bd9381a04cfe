"""Leadership: when one candidate may take itself for the leader, and when it bids for a term.

There is one row with the term, its holder and when that expires by the database's clock; whoever
bids, renews or resigns names the term. What this module knows of the row was read some time ago,
so it only trusts what must still hold: a lease that was asked for at a moment runs no shorter than
from that moment on. A leader that cannot know whether it leads does not.

    row seen, bid won, renewed, refused --> Leadership --decide--> look, bid, lead, stop

Safety does not rest on it: two that lead at once would waste work and break nothing.
"""

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final, NamedTuple

from fcs.domain.ids import NodeId
from fcs.domain.lease import trusted_until

LOOK_INTERVAL_MIN: Final = 1.0
"""Seconds between two looks of one candidate at a row that is held, at least."""

STEP_SHARE: Final = 1 / 5
"""The share of a lease after which it is renewed, or looked at, and over which bids are spread."""

EARLY_SHARE: Final = 1 / 25
"""The share over which they are spread if the holder is gone: candidates notice that one by one."""

YIELD_SHARE: Final = 2 / 5
"""The share for which one that just lost its lease lets others go first: a look and a spread."""


class LeaseSeen(NamedTuple):
    """What a look at the row said. A term that was resigned has no holder."""

    term: int
    holder: NodeId | None
    expires_in: float
    """Seconds by the database's clock; less than nothing since it has expired."""

    is_holder_gone: bool
    """Whether the connection is gone by which the holder last renewed."""

    @property
    def is_left(self) -> bool:
        """Whether nobody holds the term any more, however long it would run."""
        return self.holder is None or self.is_holder_gone

    @property
    def is_vacant(self) -> bool:
        return self.is_left or self.expires_in <= 0


class Act(Enum):
    LOOK = "look"
    """Look at the row, once it is time."""
    BID = "bid"
    """Bid for the term now."""
    LEAD = "lead"
    """Lead for this term; renew it when it is time and a round of work is complete."""
    STOP = "stop"
    """Stop leading, and forget what was known; said once."""


class Step(NamedTuple):
    act: Act
    term: int
    at: float
    """When to look, or to renew; a moment that has passed means now."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """A term of our own, until when it may be trusted, and when to renew it."""

    term: int
    until: float
    renew_at: float


@dataclass(frozen=True, slots=True)
class _Wait:
    """A vacancy that was seen, and until when to wait for somebody else to bid."""

    term: int
    until: float


class Leadership:
    """One candidate. Moments are of its own clock, in seconds; `lease` is how long a term is held
    unless renewed, of which the last `margin` is not relied on.
    """

    def __init__(self, me: NodeId, *, lease: float, margin: float, rng: Random) -> None:
        assert 0 < margin < lease, "the margin must be a part of the lease"
        self._me = me
        self._lease = lease
        self._margin = margin
        self._rng = rng
        self._hold: _Hold | None = None
        self._is_leading = False
        self._over = 0
        """The last term that was ours; it does not become so again."""
        self._left = 0
        """The last term that we gave up ourselves, whatever the row says of it."""
        self._yield_until: float | None = None
        self._wait: _Wait | None = None
        self._is_bidding = False
        self._term_seen = 0
        self._look_at = 0.0

    # What is learned.

    def looked(self, seen: LeaseSeen, *, asked_at: float, answered_at: float) -> None:
        """Take in the row as a look found it; `asked_at` is from before the look was sent."""
        if seen.holder == self._me and seen.term == self._left:
            # Behind a pooler nobody else can see it, and would wait for the lease to end.
            seen = seen._replace(is_holder_gone=True)
        self._term_seen = seen.term
        self._is_bidding = False
        if self._hold:
            if (seen.term, seen.holder) != (self._hold.term, self._me):
                self._lose(answered_at)
        elif self._is_ours(seen):
            until = asked_at + seen.expires_in - self._margin
            self._take(_Hold(seen.term, until, renew_at=asked_at))
        elif not seen.is_vacant:
            self._wait = None
            self._look_at = self._next_look_at(answered_at, seen.expires_in)
        elif self._wait is None or self._wait.term != seen.term:
            self._wait = _Wait(seen.term, answered_at + self._patience(seen, answered_at))
            self._look_at = self._wait.until
        else:
            self._is_bidding = asked_at >= self._wait.until

    def won(self, term: int, *, asked_at: float) -> None:
        """The bid was accepted, that was sent after `asked_at`."""
        self._take(self._granted(term, asked_at))

    def beaten(self, at: float) -> None:
        """The bid was not accepted, or nobody knows: then the next look tells."""
        self._is_bidding = False
        self._wait = None
        self._look_at = at + self._look_interval() + self._jitter(EARLY_SHARE)

    def renewed(self, *, asked_at: float) -> None:
        """The database has confirmed the term, by a statement sent after `asked_at`."""
        if self._hold:
            self._take(self._granted(self._hold.term, asked_at))

    def refused(self, at: float) -> None:
        """The row shows another term, or another holder."""
        if self._hold:
            self._lose(at)

    def resigned(self, at: float) -> None:
        """The term was given up: in the row, or because the connection broke by which it was held.

        Others see the one as well as the other, and may bid at once.
        """
        if self._hold:
            self._left = self._hold.term
            self._give_up(at)

    # What is decided.

    def leads(self, at: float) -> bool:
        """Whether the term is certainly ours at this moment."""
        return self._hold is not None and at < self._hold.until

    def decide(self, at: float) -> Step:
        """What to do now. What became of it is told by the methods above."""
        if self._hold and not self.leads(at):
            # However late this is noticed: a paused one was no leader in the meantime.
            self._lose(self._hold.until)
        if self._hold:
            self._is_leading = True
            return Step(Act.LEAD, self._hold.term, self._hold.renew_at)
        if self._is_leading:
            self._is_leading = False
            return Step(Act.STOP, self._over, at)
        if self._is_bidding:
            return Step(Act.BID, self._term_seen + 1, at)
        return Step(Act.LOOK, self._term_seen, self._look_at)

    def _is_ours(self, seen: LeaseSeen) -> bool:
        """Whether we hold the term without knowing: the answer to a bid was lost."""
        return seen.holder == self._me and seen.term > self._over and not seen.is_vacant

    def _granted(self, term: int, asked_at: float) -> _Hold:
        """What an answer grants to a statement that was sent after `asked_at`."""
        until = trusted_until(asked_at, lease=self._lease, margin=self._margin)
        return _Hold(term, until, renew_at=asked_at + self._lease * STEP_SHARE)

    def _take(self, hold: _Hold) -> None:
        self._hold = hold
        self._is_bidding = False

    def _lose(self, at: float) -> None:
        """The term ended against our will: for a lease, others go first.

        Two slow ones would else win a term from themselves again and again, and nobody who is
        quicker would have a turn. It is no ban, as nobody knows whether others are there.
        """
        self._give_up(at)
        self._yield_until = at + self._lease

    def _give_up(self, at: float) -> None:
        assert self._hold is not None
        self._over = self._hold.term
        self._hold = None
        self._look_at = at

    def _patience(self, seen: LeaseSeen, at: float) -> float:
        """How long to wait before a bid for what is vacant, so that not all bid at once."""
        return self._courtesy(seen, at) + self._jitter(EARLY_SHARE if seen.is_left else STEP_SHARE)

    def _courtesy(self, seen: LeaseSeen, at: float) -> float:
        """How long one that has just lost its lease leaves the vacancy to others."""
        if self._yield_until is None or at >= self._yield_until:
            return 0.0
        vacant_for = 0.0 if seen.is_left else -seen.expires_in
        return max(0.0, self._lease * YIELD_SHARE - vacant_for)

    def _next_look_at(self, at: float, expires_in: float) -> float:
        """Now and then, and when the term expires."""
        return at + min(self._look_interval(), expires_in) + self._jitter(EARLY_SHARE)

    def _look_interval(self) -> float:
        return max(LOOK_INTERVAL_MIN, self._lease * STEP_SHARE)

    def _jitter(self, share: float) -> float:
        return self._rng.random() * self._lease * share
