"""How long nobody hands anything out when a leader comes to its end: `python -m bench leaders`.

Cluster, load and acts are those of the system tests, which hold that no task is wronged, and it is
held here as well. A gap is from the act to the first start of a body under the next leader.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from math import ceil
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
from tests.system.leaders import Act, acts, succession

from bench import report
from bench.machine import Machine, this_machine
from fcs.database.migrate import migrate
from fcs.domain.settings import Settings
from fcs.embedded import Postgres

RESULTS = report.RESULTS / "leaders.json"


class Leaders(msgspec.Struct, frozen=True, kw_only=True):
    """One run: the gaps in seconds, by how the leader ended."""

    machine: Machine
    leader_lease: float
    tasks: int
    interrupted: int
    gaps: dict[str, list[float]]


def measure(number: int, *, say: Callable[[str], None]) -> Leaders:
    """End so many leaders. Raises `AssertionError` if a task was lost, doubled or wronged."""
    settings = Settings()
    gaps: dict[str, list[float]] = {act: [] for act in Act}
    with serving() as (url, folder), succession(url, folder, settings=settings) as candidates:
        for count, act in enumerate(acts(number, Random(number)), 1):
            change = candidates.change(act)
            gaps[act].append(round(change.gap, 3))
            say(f"{count} of {number}: {change.part}, {act}: {change.gap:.2f} s")
    return Leaders(
        machine=this_machine(),
        leader_lease=settings.leader_lease,
        tasks=candidates.ended.total(),
        interrupted=candidates.ended["interrupted"],
        gaps={act: sorted(found) for act, found in gaps.items()},
    )


@contextmanager
def serving() -> Iterator[tuple[str, Path]]:
    """A Postgres with the schema, as `fcs up` has it, and a folder, while the block runs."""
    with TemporaryDirectory(prefix="fcs-bench-") as name:
        folder = Path(name)
        with Postgres(folder / "postgres") as server:
            asyncio.run(migrate(server.url()))
            yield server.url(), folder


def block(found: Leaders) -> str:
    """What the page shows: a line for each way to end."""
    every = sorted(chain.from_iterable(found.gaps.values()))
    rows = [*found.gaps.items(), ("all of them", every)]
    return "\n".join(
        [
            "| How the leader ended | Times | Gap, p50 | p99 | Longest |",
            "|---|---|---|---|---|",
            *(_line(name, gaps) for name, gaps in rows if gaps),
            "",
            _circumstances(found, len(every)),
            "",
        ]
    )


def _circumstances(found: Leaders, number: int) -> str:
    machine = found.machine
    return (
        f"`python -m bench leaders --acts {number}`, {machine.date}: {machine.cores} cores,"
        f" Postgres {machine.postgres}, a leader's lease of {found.leader_lease:g} s."
        f" Meanwhile {found.tasks:,} tasks were created. Each ended, and none ran twice;"
        f" {found.interrupted:,} were interrupted, all of them on workers that were ended or out"
        " of touch themselves."
    )


def _line(name: str, gaps: Sequence[float]) -> str:
    shown = (quantile(gaps, 0.5), quantile(gaps, 0.99), max(gaps))
    return f"| {name} | {len(gaps)} | {' | '.join(f'{gap:.2f} s' for gap in shown)} |"


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that is not exceeded by this share of them."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def write(found: Leaders) -> None:
    """Keep the gaps, so that the page can be written again."""
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=0) + b"\n")


def read() -> Leaders:
    """The last run."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Leaders)
