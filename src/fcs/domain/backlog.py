"""The backlog: pending tasks in the order in which they fall due, a window onto the table.

Each lane (queue, type, priority, limit key) is a binary heap of its own. A lane whose tasks
nobody can take just now hides no other. What is due goes out by due time and id, where each point
of priority counts like some seconds of waiting, `aging`: what waits long enough comes before
whatever is more urgent and fell due later. Ids of version 7 carry the time of creation.

Memory holds the next tasks of each lane, not the whole of it. Where a lane goes on in the
table, its bookmark tells from where to read on.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace, nsmallest

from fcs.domain.facts import Lane, Place, Waiting
from fcs.domain.ids import TaskId

LANE_SHARE_MIN = 64
"""However many lanes there are, each may hold this many tasks."""

LANES_MAX = 1_000
"""Empty lanes are remembered up to here: a known lane needs no reading at its next task."""

LANES_HELD_MAX = 10_000
"""Beyond this even lanes with tasks are let go, until they are listed once more."""


class _Stretch:
    """One lane: its heap, and how far it has been read."""

    def __init__(self) -> None:
        self.heap: list[Place] = []
        self.members: set[TaskId] = set()
        self.bookmark: Place | None = None
        self.goes_on = True

    def add(self, place: Place) -> None:
        # Beyond the bookmark lies what reading on will find in its turn.
        if self.goes_on and (self.bookmark is None or place > self.bookmark):
            return
        self.push(place)

    def push(self, place: Place) -> None:
        if place.id not in self.members:
            self.members.add(place.id)
            heappush(self.heap, place)

    def read(self, after: Place | None, places: Sequence[Place], exhausted: bool) -> None:
        # Asked before the lane was cut down or begun anew: there is a gap, it will be read again.
        if after != self.bookmark:
            return
        for place in places:
            self.push(place)
        if places:
            self.bookmark = places[-1]
        self.goes_on = not exhausted

    def trim(self, keep: int) -> None:
        """Forget all but the first tasks if there are far too many; the table still has them."""
        if len(self.heap) <= 2 * keep:
            return
        self.heap = nsmallest(keep, self.heap)  # sorted, and so a heap
        self.members = {place.id for place in self.heap}
        self.bookmark = self.heap[-1]
        self.goes_on = True

    def pop(self) -> Place:
        place = heappop(self.heap)
        self.members.discard(place.id)
        return place


class Backlog:
    """Pending tasks known to the supervisor; about `window` of them at the most.

    `aging` is how many seconds of waiting count like one point of priority.
    """

    def __init__(self, *, window: int, aging: float) -> None:
        self._window = window
        self._aging = timedelta(seconds=aging)
        self._lanes: dict[Lane, _Stretch] = {}

    def __len__(self) -> int:
        return sum(len(stretch.heap) for stretch in self._lanes.values())

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
        stretch.add(Place(task.due_at, task.id))
        stretch.trim(self.lane_share())

    def put_back(self, task: Waiting) -> None:
        """Take in a task that was popped before and is still pending."""
        self._lanes.setdefault(task.lane, _Stretch()).push(Place(task.due_at, task.id))

    def list_lanes(self, lanes: Sequence[Lane]) -> None:
        """Take in which lanes have something pending."""
        for lane in lanes:
            self._lanes.setdefault(lane, _Stretch())
        if len(self._lanes) > LANES_MAX:
            listed = set(lanes)
            self._lanes = {
                lane: held for lane, held in self._lanes.items() if held.heap or lane in listed
            }
        if len(self._lanes) > LANES_HELD_MAX:
            self._lanes = {lane: self._lanes[lane] for lane in lanes}

    def read(
        self, lane: Lane, after: Place | None, tasks: Sequence[Waiting], *, exhausted: bool
    ) -> None:
        """Take in the next tasks of a lane, as read from the place `after` on."""
        stretch = self._lanes.setdefault(lane, _Stretch())
        stretch.read(after, [Place(task.due_at, task.id) for task in tasks], exhausted)
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
                or (held.bookmark.due_at <= now and len(held.heap) <= low)
                or not held.heap
            )
        ]

    def next_due_at(self, now: datetime) -> datetime | None:
        """When the next task falls due that is not due yet, as far as memory tells."""
        moments = [
            held.heap[0].due_at
            for held in self._lanes.values()
            if held.heap and held.heap[0].due_at > now
        ]
        return min(moments, default=None)

    def take_due(self, now: datetime, accept: Callable[[Lane], bool]) -> Iterator[Waiting]:
        """Yield due tasks in order, as long as `accept` takes them.

        A lane that is not accepted is left alone for this round: all its tasks need the same
        workers and permits. Among the lanes that are, none of priority p is passed over for one
        of priority q that fell due more than (q - p) * aging after it.
        """
        fronts = [
            (self._rank(lane, held.heap[0]), held.heap[0], lane)
            for lane, held in self._lanes.items()
            if held.heap and held.heap[0].due_at <= now
        ]
        heapify(fronts)
        while fronts:
            _, place, lane = fronts[0]
            if not accept(lane):
                heappop(fronts)
                continue
            held = self._lanes[lane]
            held.pop()
            yield Waiting(lane, place.due_at, place.id)
            if held.heap and held.heap[0].due_at <= now:
                heapreplace(fronts, (self._rank(lane, held.heap[0]), held.heap[0], lane))
            else:
                heappop(fronts)

    def _rank(self, lane: Lane, place: Place) -> datetime:
        """What goes first has the earliest; whatever happens, two tasks keep their order."""
        priority = lane.priority
        return place.due_at - priority * self._aging if priority else place.due_at
