"""What all parts of a simulated cluster share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fcs.domain.ids import TaskId
from fcs.domain.settings import Settings
from proof.sim.bodies import Ledger, Script, Start
from proof.sim.kernel import Kernel
from proof.sim.server import Server


@dataclass
class Env:
    """`dropped` names what is left out on purpose; `tell` is the story, for people."""

    kernel: Kernel
    server: Server
    settings: Settings
    dropped: frozenset[str]
    on_start: Callable[[Start], None]
    tell: Callable[[str], None]
    ledger: Ledger = field(default_factory=Ledger)
    scripts: dict[TaskId, Script] = field(default_factory=dict)
