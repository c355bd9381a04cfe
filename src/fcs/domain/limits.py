"""The limits of queues: what may be handed out now, of those that are paused or limited.

A permit is not a thing that is taken and given back. How many tasks of a queue are dispatched or
running is told by their rows: by ids that were counted there, and ids that this supervisor has
handed out since. An id leaves only when its row says that nobody holds it, so a lost hint can
delay a start and can neither leak a permit nor invent one.

How often tasks may start is a token bucket. Nobody knows what a supervisor before this one has
let through, so buckets are empty at first.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Final

from fcs.domain.facts import Held, HeldAsked, HeldCounted, Lane, Limit, QueueRules
from fcs.domain.ids import Incarnation, TaskId

Scope = tuple[str, str]
"""A queue and one of its limit keys; the key "" stands for the queue as a whole."""

ASK_INTERVAL: Final = 0.05
"""Seconds after which tasks that keep a limit full are asked for, though nobody told of an end."""

_WHOLE: Final = 1 - 1e-6
"""So much of a token is a token: sums of fractions are not exact."""


def burst_of(limit: Limit) -> float:
    """How many tokens a bucket holds: unless told, what comes in a second, and at least one."""
    assert limit.rate is not None, "only a rate has a bucket"
    return limit.burst or max(1, ceil(limit.rate))


class _Bucket:
    """Tokens at a moment. `at` is in seconds of the local clock, here and below."""

    def __init__(self, limit: Limit, at: float) -> None:
        assert limit.rate is not None
        self.rate, self.burst = limit.rate, burst_of(limit)
        self.tokens, self.at = 0.0, at

    def level(self, at: float) -> float:
        return min(self.burst, self.tokens + max(0.0, at - self.at) * self.rate)

    def spend(self, at: float) -> None:
        self.tokens, self.at = self.level(at) - 1, max(self.at, at)

    def next_token_at(self) -> float:
        return self.at + (1 - self.tokens) / self.rate


class Limits:
    """What the rules of queues allow. Queues without rules cost nothing."""

    def __init__(self) -> None:
        self._queues: dict[str, QueueRules] = {}
        self._since: dict[str, float] = {}
        self._buckets: dict[Scope, _Bucket] = {}
        self._held: dict[TaskId, Held] = {}
        self._running: Counter[Scope] = Counter()
        self._uncounted: set[str] = set()
        self._stirred: set[Incarnation] = set()
        self._is_full = False
        self._ask_again_at = 0.0
        self._next_token_at: float | None = None

    def __bool__(self) -> bool:
        """Whether any queue has rules."""
        return bool(self._queues)

    # What is learned.

    def read(self, queues: Sequence[QueueRules], at: float) -> None:
        """Take in the rules of all queues that have any."""
        before, self._queues = self._queues, {rules.queue: rules for rules in queues}
        for rules in queues:
            old = before.get(rules.queue)
            if old is None or (old.whole, old.per_key) != (rules.whole, rules.per_key):
                self._begin_anew(rules.queue, at)
        for queue in before.keys() - self._queues.keys():
            self._begin_anew(queue, at)
        self._forget_full_buckets(at)

    def count(self, fact: HeldCounted) -> None:
        """Take in everything that is dispatched or running in some queues."""
        self._release(id for id, held in self._held.items() if held.queue in fact.queues)
        for held in fact.held:
            self._hold(held)
        self._uncounted -= fact.queues

    def ask(self, fact: HeldAsked) -> None:
        """Take in which of the tasks asked about are still dispatched or running."""
        self._release(fact.asked - fact.held)

    def release(self, ids: Iterable[TaskId]) -> None:
        """These are pending, so nobody holds them."""
        if self._held:
            self._release(ids)

    def stir(self, incarnation: Incarnation) -> None:
        """A worker had news: what it held may be over."""
        if self._held:
            self._stirred.add(incarnation)

    def stir_all(self) -> None:
        """Something may be over of which nobody told."""
        self._stirred = {held.incarnation for held in self._held.values()}

    def count_again(self) -> None:
        """Go by the rows alone, for what somebody else has handed out."""
        self._uncounted = {queue for queue, rules in self._queues.items() if _is_capped(rules)}

    # What is decided.

    def begin_plan(self) -> None:
        self._is_full = False
        self._next_token_at = None

    def allow(self, lane: Lane, at: float) -> bool:
        """Whether a task of this lane may be handed out now."""
        rules = self._queues.get(lane.queue)
        if rules is None:
            return True
        if rules.is_paused or lane.queue in self._uncounted:
            return False
        return all(self._allows(scope, limit, at) for scope, limit in _limits_on(lane, rules))

    def take(self, id: TaskId, lane: Lane, incarnation: Incarnation, at: float) -> None:
        """Count a task that is handed out; `allow` must have said yes."""
        rules = self._queues.get(lane.queue)
        if rules is None:
            return
        for scope, limit in _limits_on(lane, rules):
            if limit.rate is not None:
                self._bucket(scope, limit).spend(at)
        if _is_capped(rules):
            self._hold(Held(id, lane.queue, lane.limit_key, incarnation))

    def to_count(self) -> frozenset[str]:
        """Queues of which nothing goes out before their rows were counted."""
        return frozenset(self._uncounted)

    def to_ask(self, at: float) -> frozenset[TaskId]:
        """Tasks that may be over, when a full limit holds others back."""
        if self._is_full and at >= self._ask_again_at:
            # Not every end is told while the supervisor is awake.
            self.stir_all()
        if not (self._is_full and self._stirred):
            return frozenset()
        self._ask_again_at = at + ASK_INTERVAL
        ids = frozenset(id for id, held in self._held.items() if held.incarnation in self._stirred)
        self._stirred.clear()
        return ids

    def next_token_at(self) -> float | None:
        """When the next task may go that waits only for a token."""
        return self._next_token_at

    def _allows(self, scope: Scope, limit: Limit, at: float) -> bool:
        if limit.running_max is not None and self._running[scope] >= limit.running_max:
            self._is_full = True
            return False
        if limit.rate is None:
            return True
        bucket = self._bucket(scope, limit)
        if bucket.level(at) >= _WHOLE:
            return True
        moment = bucket.next_token_at()
        if self._next_token_at is None or moment < self._next_token_at:
            self._next_token_at = moment
        return False

    def _bucket(self, scope: Scope, limit: Limit) -> _Bucket:
        bucket = self._buckets.get(scope)
        if bucket is None:
            # Nobody took from it so far: it has been filling up since the rules were read.
            bucket = self._buckets[scope] = _Bucket(limit, self._since[scope[0]])
        return bucket

    def _begin_anew(self, queue: str, at: float) -> None:
        """Buckets and counts of a queue whose limits are new, changed or gone."""
        self._since[queue] = at
        self._buckets = {scope: held for scope, held in self._buckets.items() if scope[0] != queue}
        self._release([id for id, held in self._held.items() if held.queue == queue])
        self._uncounted.discard(queue)
        rules = self._queues.get(queue)
        if rules is None:
            del self._since[queue]
        elif _is_capped(rules):
            self._uncounted.add(queue)

    def _forget_full_buckets(self, at: float) -> None:
        """One that is made anew would be full as well: it had even longer to fill up."""
        self._buckets = {
            scope: bucket
            for scope, bucket in self._buckets.items()
            if bucket.level(at) < bucket.burst
        }

    def _hold(self, held: Held) -> None:
        self._release([held.id])
        self._held[held.id] = held
        for scope in _scopes(held.queue, held.limit_key):
            self._running[scope] += 1

    def _release(self, ids: Iterable[TaskId]) -> None:
        for id in list(ids):
            held = self._held.pop(id, None)
            if held is None:
                continue
            for scope in _scopes(held.queue, held.limit_key):
                self._running[scope] -= 1
                if not self._running[scope]:
                    del self._running[scope]


def _is_capped(rules: QueueRules) -> bool:
    return rules.whole.running_max is not None or rules.per_key.running_max is not None


def _scopes(queue: str, limit_key: str) -> Iterator[Scope]:
    yield queue, ""
    if limit_key:
        yield queue, limit_key


def _limits_on(lane: Lane, rules: QueueRules) -> Iterator[tuple[Scope, Limit]]:
    limits = (rules.whole, rules.per_key)
    return zip(_scopes(lane.queue, lane.limit_key), limits, strict=False)
