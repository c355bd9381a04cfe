"""The tasks of many calls, packed part by part: while Postgres writes one the next is packed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from math import ceil
from typing import Any, Final

from fcs.client.ids import new_task_ids
from fcs.domain.errors import InvalidInput
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask

PART_MAX: Final = 1_000
"""Calls in one part: larger ones let Postgres wait for the first, smaller ones cost it more."""

Call = Mapping[str, Any]


class Packing:
    """A part is packed when it is first asked for, and kept, as it may have to be sent again."""

    def __init__(self, calls: Sequence[Call], pack: Callable[[TaskId, Call], NewTask]) -> None:
        self._calls, self._pack = calls, pack
        self._packed: list[list[NewTask]] = []
        self.parts_total = ceil(len(calls) / PART_MAX)

    def __iter__(self) -> Iterator[list[NewTask]]:
        """All parts, from the first one on; raises `InvalidInput` which names the call."""
        for number in range(self.parts_total):
            if number == len(self._packed):
                self._packed.append(self._part(number))
            yield self._packed[number]

    def all(self) -> list[NewTask]:
        return [*chain.from_iterable(self)]

    def _part(self, number: int) -> list[NewTask]:
        # All of about one size: a short one at the end would be named in a hint of its own.
        start, end = (len(self._calls) * no // self.parts_total for no in (number, number + 1))
        new: list[NewTask] = []
        for id, call in zip(new_task_ids(end - start), self._calls[start:end], strict=True):
            try:
                new.append(self._pack(id, call))
            except InvalidInput as error:
                error.add_note(f"in call number {start + len(new) + 1} of enqueue_many")
                raise
        return new
