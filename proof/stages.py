"""The stages of the proof, from the cheapest to the dearest, and what is made of their results."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Stage(NamedTuple):
    """`module:function` is called with the rest of the command line and returns an exit code."""

    function: str
    what: str


STAGES: Final[Mapping[str, Stage]] = {
    "model": Stage("proof.model.command:main", "every state of small clusters, and of mistakes"),
    "suite": Stage("proof.suite:main", "the tests in their long forms"),
    "pooled": Stage("proof.suite:pooled", "parts and processes through a pooler of transactions"),
    "soak": Stage("proof.suite:soak", "an hour of everything at once, in which nothing may grow"),
    "nightly": Stage("proof.nightly:main", "all of them, one after another, into the ledger"),
    "trust": Stage("proof.trust:main", "write TRUST.md from the ledger"),
}
