"""The stages of the proof, from the cheapest to the dearest, and what is made of their results."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Stage(NamedTuple):
    """`module:function` is called with the rest of the command line and returns an exit code."""

    function: str
    what: str


STAGES: Final[Mapping[str, Stage]] = {
    "model": Stage("proof.model.command:main", "every state of small clusters, and of mistakes"),
    "interleavings": Stage(
        "proof.interleavings.command:main", "transactions of all kinds in every order that matters"
    ),
    "machine": Stage(
        "proof.machine.command:main", "what parts may do, at random, beside a small model"
    ),
    "fences": Stage("proof.fencing:main", "what is noticed when the SQL compares or locks less"),
    "sim": Stage("proof.sim.main:main", "clusters under virtual clocks, with seeded faults"),
    "twin": Stage("proof.sim.twin:main", "the database of `sim` beside a real one, step by step"),
    "mutants": Stage("proof.mutants.command:main", "guards taken out, each missed by some test"),
    "suite": Stage("proof.suite:main", "the tests in their long forms"),
    "pooled": Stage("proof.suite:pooled", "parts and processes through a pooler of transactions"),
    "fuzz": Stage("proof.fuzz.main:main", "strangers at every door, well-meaning and hostile"),
    "soak": Stage("proof.suite:soak", "an hour of everything at once, in which nothing may grow"),
    "torture": Stage("proof.torture.run:main", "real processes, real faults, a checker outside"),
    "nightly": Stage("proof.nightly:main", "all of them, a few at once, into the ledger"),
    "trust": Stage("proof.trust:main", "write TRUST.md from the ledger"),
}
