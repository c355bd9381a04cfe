"""Fuzzes a real cluster from outside: HTTP, notifications, rows, and all that reads text."""

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from fcs.database.migrate import migrate
from fcs.embedded import Postgres
from proof.fuzz import crowd, hints, pack, parsers, rights, rows
from proof.fuzz.report import Report, figures
from proof.fuzz.scene import Scene, describe, opened
from proof.summary import Summary


class Size(NamedTuple):
    """How much of everything. `minutes` are those of the requests that are drawn at random."""

    minutes: float
    notifications: int
    crowd: int
    lanes: int
    examples: int
    long: bool


LONG: Final = Size(
    minutes=10, notifications=100_000, crowd=500, lanes=2_000, examples=20_000, long=True
)
"""The form for the night."""


class Setting(NamedTuple):
    """What a part is given."""

    scene: Scene
    size: Size
    rng: Random


def impostors(given: Setting) -> Report:
    return rights.run(given.scene, describe(given.scene.address))


def requests(given: Setting) -> Report:
    from proof.fuzz import api

    return api.run(given.scene, seconds=60 * given.size.minutes, rng=given.rng)


def cases(given: Setting) -> Report:
    return pack.run(given.scene, pack.pack(long=given.size.long, rng=given.rng))


def crowds(given: Setting) -> Report:
    return crowd.run(given.scene, size=given.size.crowd, long=given.size.long)


def notifications(given: Setting) -> Report:
    return hints.run(given.scene, count=given.size.notifications, rng=given.rng)


def hostile_rows(given: Setting) -> Report:
    report = rows.run(given.scene, rows.all_rows())
    return rows.many_lanes(given.scene, report, given.size.lanes)


def texts(given: Setting) -> Report:
    return parsers.run(examples=given.size.examples, number=given.rng.getrandbits(32))


PARTS: Final[Mapping[str, Callable[[Setting], Report]]] = {
    "texts": texts,
    "impostors": impostors,
    "cases": cases,
    "crowds": crowds,
    "rows": hostile_rows,
    "notifications": notifications,
    "requests": requests,
}
"""By name. Each has a cluster of its own."""

WORKERS: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Carry out some parts or all."""
    parser = argparse.ArgumentParser(prog="python -m proof fuzz", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=LONG.minutes, help="of random requests")
    parser.add_argument("--seed", type=int, default=1, help="all chance follows from it")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    began = monotonic()
    reports = []
    with server() as fresh:
        for name in options.parts or PARTS:
            report = carry_out(name, fresh, LONG._replace(minutes=options.minutes), options.seed)
            print(report.text(), flush=True)
            reports.append(report)
    found = summary(reports, monotonic() - began)
    print(found.line)
    found.keep(options.json)
    return found.exit_code


def carry_out(name: str, fresh: Callable[[], str], size: Size, seed: int) -> Report:
    """One part on a cluster of its own, in which nobody may have died or left a traceback."""
    report = Report(name)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="fcs-fuzz-") as folder,
            opened(fresh(), Path(folder), workers=WORKERS) as scene,
        ):
            report = PARTS[name](Setting(scene, size, Random(seed)))
    except AssertionError as error:
        report.violations.append(f"{name}: {str(error)[:2_000]}")
    return report


@contextmanager
def server() -> Iterator[Callable[[], str]]:
    """A Postgres, and a way to databases on it that have the schema and nothing else."""
    with (
        tempfile.TemporaryDirectory(prefix="fcs-fuzz-db-") as folder,
        Postgres(Path(folder) / "postgres") as postgres,
    ):
        numbers = count(1)

        def fresh() -> str:
            name = f"fuzz_{next(numbers)}"
            with psycopg.connect(postgres.url(), autocommit=True) as admin:
                admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            asyncio.run(migrate(postgres.url(name)))
            return postgres.url(name)

        yield fresh


def summary(reports: Sequence[Report], seconds: float) -> Summary:
    """All parts together. A chance is whatever was sent in."""
    return Summary(
        stage="fuzz",
        chances=sum(report.tried for report in reports),
        of_what="inputs",
        violations=sum(len(report.violations) for report in reports),
        seconds=seconds,
        figures=figures(reports),
    )
