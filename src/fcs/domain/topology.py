"""Topologies: who hands out the tasks of a cluster, and who may come to do so."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Mode(StrEnum):
    """How a cluster is led; one for all of it."""

    DEDICATED = "dedicated"
    """One of the processes of `fcs supervise` leads, the others stand by."""

    ELECTED = "elected"
    """Workers that were started with `--elect` may lead as well."""

    HASH = "hash"
    """Nobody leads: workers hand out to themselves what a hash gives them."""


class Part(StrEnum):
    """What a process was started as."""

    SUPERVISOR = "supervisor"
    ELECTABLE_WORKER = "electable worker"
    WORKER = "worker"


_CANDIDATES: Final[Mapping[Mode, frozenset[Part]]] = {
    Mode.DEDICATED: frozenset({Part.SUPERVISOR}),
    Mode.ELECTED: frozenset({Part.SUPERVISOR, Part.ELECTABLE_WORKER}),
    Mode.HASH: frozenset(),
}


def is_candidate(part: Part, mode: Mode) -> bool:
    """Whether such a process may bid for leadership, or keep it, in this mode."""
    return part in _CANDIDATES[mode]
