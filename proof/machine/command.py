"""`python -m proof machine`: plays examples at random, and says in one line what came of it."""

import argparse
import asyncio
import secrets
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fcs.database.connect import connect
from fcs.database.migrate import migrate
from fcs.embedded import Postgres
from proof.machine.machine import Machine
from proof.summary import Summary

CARELESS: Final = {"fsync": "off", "full_page_writes": "off"}


def main(arguments: Sequence[str]) -> int:
    """Play on a Postgres of its own."""
    parser = argparse.ArgumentParser(prog="python -m proof machine", description=__doc__)
    parser.add_argument("--examples", type=int, default=2_000)
    parser.add_argument("--steps", type=int, default=60, help="in each example")
    parser.add_argument("--seed", type=int, help="play what was played under this seed")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    how = {"examples": options.examples, "steps": options.steps}
    with (
        tempfile.TemporaryDirectory(prefix="fcs-proof-") as folder,
        Postgres(folder, settings=CARELESS) as server,
    ):
        asyncio.run(migrate(server.url()))
        try:
            summary = play(server.url(), **how, seed=seed)
        except Exception:  # noqa: BLE001 - Hypothesis raises what the machine has seen
            traceback.print_exc()
            summary = _summary(violations=1, seconds=0.0, seed=seed, **how)
    print(summary.line)
    summary.keep(options.json)
    return summary.exit_code


def play(
    url: str, *, examples: int, steps: int, seed: int | None, shortens: bool = True
) -> Summary:
    """Play examples on a database with empty tables; raise what breaks, in the fewest steps.

    Without a seed they are the same ones each time.
    """
    began_at, before = monotonic(), Machine.statements
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=seed is None,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shortens else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    with _machine(url) as machine:
        if seed is not None:
            hypothesis.seed(seed)(machine)
        try:
            run_state_machine_as_test(machine, settings=how)
        except BaseException as error:
            error.add_note(f"python -m proof machine --seed {seed}")
            raise
    return _summary(
        violations=0,
        seconds=monotonic() - began_at,
        seed=seed,
        examples=examples,
        steps=steps,
        statements=Machine.statements - before,
    )


def _summary(
    *, violations: int, seconds: float, seed: int | None, examples: int, **figures: int
) -> Summary:
    return Summary(
        stage="machine",
        chances=examples,
        of_what="examples",
        violations=violations,
        seconds=seconds,
        figures=figures | ({} if seed is None else {"seed": seed}),
    )


@contextmanager
def _machine(url: str) -> Iterator[type[Machine]]:
    """A machine on a connection of its own."""
    with asyncio.Runner() as runner:
        db = runner.run(connect(url, part="machine", keys_only=True))
        try:
            yield type("Machine", (Machine,), {"db": db, "runner": runner})
        finally:
            runner.run(db.close())
