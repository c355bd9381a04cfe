"""A cluster as a whole, as people and programs look at it: how it is led, by whom, who else could.

It is as true as the rows and the sessions were when they were read. Behind a pooler the sessions
of candidates cannot be told apart, so none may seem to be there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec

from fcs.domain.ids import NodeId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part, is_candidate


class Leader(msgspec.Struct, frozen=True):
    """The process that holds the term, and since when."""

    node: NodeId
    part: Part
    host: str
    pid: int
    since: datetime

    def __str__(self) -> str:
        what = "fcs supervise" if self.part is Part.SUPERVISOR else "a worker with --elect"
        return f"{what} on {self.host or 'an unknown machine'}, pid {self.pid}, node {self.node}"


class Candidates(msgspec.Struct, frozen=True):
    """How many processes of each part that may lead in some mode are connected."""

    supervisors: int = 0
    electable_workers: int = 0

    def in_mode(self, mode: Mode) -> int:
        """How many of them may lead in this one."""
        counts = {
            Part.SUPERVISOR: self.supervisors,
            Part.ELECTABLE_WORKER: self.electable_workers,
        }
        return sum(count for part, count in counts.items() if is_candidate(part, mode))


class ClusterView(msgspec.Struct, frozen=True):
    """`now` is the database's time, `changed_at` since when the mode is this one. The lease of the
    term runs for `expires_in` seconds more, or ended so long ago; a term that was given up has no
    leader."""

    now: datetime
    mode: Mode
    strategy: Strategy
    changed_at: datetime
    term: int
    leader: Leader | None
    expires_in: float
    candidates: Candidates

    @property
    def holder(self) -> Leader | None:
        """Whose lease runs, though he may have to give it up in this mode."""
        return self.leader if self.expires_in > 0 else None

    @property
    def is_led(self) -> bool:
        """Whether somebody leads who may."""
        return self.holder is not None and is_candidate(self.holder.part, self.mode)

    @property
    def mode_for(self) -> float:
        """For how many seconds the mode has been this one."""
        return (self.now - self.changed_at).total_seconds()

    @property
    def vacant_for(self) -> float:
        """For how many seconds candidates could have seen that nobody leads, if that is so."""
        return min(-self.expires_in, self.mode_for)

    @property
    def may_be_led(self) -> bool:
        """Whether somebody leads, or could come to."""
        return self.is_led or self.candidates.in_mode(self.mode) > 0

    def in_short(self) -> str:
        """The mode, and who leads: no place where anything could be reached."""
        if self.mode is Mode.HASH:
            return f"mode {self.mode}"
        leads = f"{self.holder.part} {self.holder.node} leads" if self.holder else "nobody leads"
        return f"mode {self.mode}, term {self.term}: {leads}"

    @property
    def is_handed_out(self) -> bool:
        """Whether somebody hands out tasks: who leads, or is about to; or each worker to itself."""
        return self.mode is Mode.HASH or self.may_be_led


class NodeSeen(Protocol):
    """A worker's row, and the mode by which it goes; none before its first beat."""

    @property
    def id(self) -> UUID: ...
    @property
    def state(self) -> str: ...
    @property
    def follows(self) -> Mode | None: ...


Node = TypeVar("Node", bound=NodeSeen)


def behind(nodes: Sequence[Node], mode: Mode) -> list[Node]:
    """Which of the workers that are there still go by another mode."""
    return [
        node
        for node in nodes
        if node.state in ("live", "draining") and node.follows not in (None, mode)
    ]


def reaper_in(mode: Mode) -> str:
    """Who sees to what others have left behind."""
    return "another worker" if mode is Mode.HASH else "the leader"
