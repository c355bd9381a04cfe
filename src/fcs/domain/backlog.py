"""The backlog: pending tasks in the order in which they fall due, a window onto the table.

Each lane (queue, type, priority, limit key) is a binary heap of its own. A lane whose tasks
nobody can take just now hides no other. What is due goes out by due time and id, where each point
of priority counts like some seconds of waiting, `aging`: what waits long enough comes before
whatever is more urgent and fell due later. Ids of version 7 carry the time of creation.

Memory holds the next tasks of each lane, not the whole of it. Where a lane goes on in the
table, its bookmark tells from where to read on.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from heapq import heapify, heappop, heappush, heapreplace, nsmallest
from itertools import chain
from uuid import UUID

from fcs.domain.facts import Lane, Place, Waiting
from fcs.domain.ids import TaskId

_Entry = tuple[datetime, int, Waiting]
"""Due time, the id as a number, and the task."""

_NO_ID = TaskId(UUID(int=0))

LANE_SHARE_MIN = 64
"""However many lanes there are, each may hold this many tasks."""

LANES_MAX = 1_000
"""Empty lanes are remembered up to here: a known lane needs no reading at its next task."""

LANES_HELD_MAX = 10_000
"""Beyond this even lanes with tasks are let go, until they are listed once more."""


class _Stretch:
    """One lane: the tasks known of it, and how far it has been read.

    What is read from the table comes in order and is kept so, in `line`; what hints name comes
    in any order and goes into `heap`. Both hold entries that compare without a call into Python.
    """

    def __init__(self) -> None:
        self.line: deque[_Entry] = deque()
        self.heap: list[_Entry] = []
        self.members: set[int] = set()
        self.bookmark: Place | None = None
        self.goes_on = True

    def __len__(self) -> int:
        return len(self.line) + len(self.heap)

    @property
    def first(self) -> _Entry | None:
        """The task that falls due next, or fell due first."""
        line, heap = self.line, self.heap
        if heap and (not line or heap[0] < line[0]):
            return heap[0]
        return line[0] if line else None

    def add(self, task: Waiting) -> None:
        # Beyond the bookmark lies what reading on will find in its turn.
        if self.goes_on and (self.bookmark is None or Place(*task[1:]) > self.bookmark):
            return
        self.push(task)

    def push(self, task: Waiting) -> None:
        number = task.id.int
        if number in self.members:
            return
        self.members.add(number)
        entry = (task.due_at, number, task)
        if not self.line or entry > self.line[-1]:
            self.line.append(entry)
        else:
            heappush(self.heap, entry)

    def extend(self, tasks: Sequence[Waiting]) -> None:
        """As `push` of each; they are in order."""
        if self.members or self.heap:
            for task in tasks:
                self.push(task)
        else:
            self.line.extend([(task.due_at, task.id.int, task) for task in tasks])
            self.members.update([number for _, number, _ in self.line])

    def read(self, after: Place | None, tasks: Sequence[Waiting], exhausted: bool) -> None:
        # Asked before the lane was cut down or begun anew: there is a gap, it will be read again.
        if after != self.bookmark:
            return
        if tasks:
            self.extend(tasks)
            self.bookmark = Place(*tasks[-1][1:])
        self.goes_on = not exhausted

    def trim(self, keep: int) -> None:
        """Forget all but the first tasks if there are far too many; the table still has them."""
        if len(self) <= 2 * keep:
            return
        self.line = deque(nsmallest(keep, chain(self.line, self.heap)))
        self.heap = []
        self.members = {number for _, number, _ in self.line}
        self.bookmark = Place(*self.line[-1][2][1:])
        self.goes_on = True

    def pop(self) -> Waiting:
        if self.heap and (not self.line or self.heap[0] < self.line[0]):
            _, number, task = heappop(self.heap)
        else:
            _, number, task = self.line.popleft()
        self.members.discard(number)
        return task


class Backlog:
    """Pending tasks known to the supervisor; about `window` of them at the most.

    `aging` is how many seconds of waiting count like one point of priority. Where tasks are divided
    among several that hand out, `owns` tells which are to be kept here.
    """

    def __init__(
        self, *, window: int, aging: float, owns: Callable[[Waiting], bool] | None = None
    ) -> None:
        self._window = window
        self._owns = owns
        self._aging = aging
        self._lanes: dict[Lane, _Stretch] = {}

    def __len__(self) -> int:
        return sum(len(stretch) for stretch in self._lanes.values())

    def lane_share(self) -> int:
        """How many tasks of one lane are read at a time."""
        return max(LANE_SHARE_MIN, self._window // max(1, len(self._lanes)))

    def add(self, task: Waiting) -> None:
        """Take in a task that a hint named."""
        stretch = self._lanes.get(task.lane)
        if stretch is None:
            # A lane nobody has read yet: its head must be read before anything may leave it.
            self._lanes[task.lane] = _Stretch()
            return
        if self._owns and not self._owns(task):
            return
        stretch.add(task)
        stretch.trim(self.lane_share())

    def put_back(self, task: Waiting) -> None:
        """Take in a task that was popped before and is still pending."""
        self._lanes.setdefault(task.lane, _Stretch()).push(task)

    def known_lanes(self) -> Collection[Lane]:
        """The lanes that need not be listed, as they are read on in any case.

        Where they are many, those that were read to their end are let go: they are listed once
        more when something comes.
        """
        if len(self._lanes) > LANES_MAX:
            self._lanes = {
                lane: held for lane, held in self._lanes.items() if len(held) or held.goes_on
            }
        return self._lanes.keys()

    def list_lanes(self, lanes: Sequence[Lane]) -> None:
        """Take in lanes that have something pending; known ones may be missing."""
        for lane in lanes:
            self._lanes.setdefault(lane, _Stretch())
        if len(self._lanes) > LANES_HELD_MAX:
            self._lanes = {lane: self._lanes[lane] for lane in lanes}

    def read(
        self, lane: Lane, after: Place | None, tasks: Sequence[Waiting], *, exhausted: bool
    ) -> None:
        """Take in the next tasks of a lane, as read from the place `after` on."""
        stretch = self._lanes.setdefault(lane, _Stretch())
        stretch.read(after, tasks, exhausted)
        stretch.trim(self.lane_share())

    def lanes_to_look_at(self, since: datetime) -> list[tuple[Lane, Place]]:
        """The lanes where a task could have been added since a moment that reading on would not
        find, and the place from which to look."""
        return [
            (lane, Place(since, _NO_ID))
            for lane, held in self._lanes.items()
            if not held.goes_on or (held.bookmark is not None and held.bookmark.due_at > since)
        ]

    def looked_at(self, lane: Lane, tasks: Sequence[Waiting], *, exhausted: bool) -> None:
        """Take in what was found by a look at a lane, in order."""
        stretch = self._lanes.get(lane)
        if stretch is None:
            return
        for task in tasks:
            if not self._owns or self._owns(task):
                stretch.add(task)
        if not exhausted:
            # Too many for one look: the others are found by reading on, from where this one ended
            # or from where that was to go on, whatever comes first.
            last = Place(*tasks[-1][1:])
            if not stretch.goes_on or (stretch.bookmark is not None and last < stretch.bookmark):
                stretch.bookmark = last
            stretch.goes_on = True
        stretch.trim(self.lane_share())

    def look_further(self) -> None:
        """Something was added somewhere: read on in every lane."""
        for stretch in self._lanes.values():
            stretch.goes_on = True

    def start_over(self) -> None:
        """Read every lane from its head, for what came in behind the bookmarks."""
        for stretch in self._lanes.values():
            stretch.bookmark = None
            stretch.goes_on = True

    def lanes_to_read(self, now: datetime) -> list[tuple[Lane, Place | None]]:
        """The lanes that run low, and the places from which to read on."""
        low = self.lane_share() // 2
        return [
            (lane, held.bookmark)
            for lane, held in self._lanes.items()
            if held.goes_on
            and (
                held.bookmark is None
                or (held.bookmark.due_at <= now and len(held) <= low)
                or not len(held)
            )
        ]

    def next_due_at(self, now: datetime) -> datetime | None:
        """When the next task falls due that is not due yet, as far as memory tells."""
        firsts = (held.first for held in self._lanes.values())
        return min((first[0] for first in firsts if first and first[0] > now), default=None)

    def due_at_least(self, now: datetime) -> int:
        """How many tasks are due, as far as a look at the end of each lane tells."""
        return sum(
            len(held.line) for held in self._lanes.values() if held.line and held.line[-1][0] <= now
        )

    def take_due(self, now: datetime, accept: Callable[[Lane], bool]) -> Iterator[Waiting]:
        """Yield due tasks in order, as long as `accept` takes them.

        A lane that is not accepted is left alone for this round: all its tasks need the same
        workers and permits. Among the lanes that are, none of priority p is passed over for one
        of priority q that fell due more than (q - p) * aging after it.
        """
        fronts = [
            (self._rank(lane, first), first, lane)
            for lane, held in self._lanes.items()
            if (first := held.first) is not None and first[0] <= now
        ]
        heapify(fronts)
        while fronts:
            _, _, lane = fronts[0]
            if not accept(lane):
                heappop(fronts)
                continue
            held = self._lanes[lane]
            yield held.pop()
            first = held.first
            if first is None or first[0] > now:
                heappop(fronts)
            else:
                heapreplace(fronts, (self._rank(lane, first), first, lane))

    def _rank(self, lane: Lane, first: _Entry) -> float:
        """What goes first has the lowest; whatever happens, two tasks keep their order."""
        # In seconds: there is no date for what the highest priority and a long aging make of one.
        return first[0].timestamp() - lane.priority * self._aging
