"""Hostile notifications: anybody may send any, to everybody who listens, while tasks go on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final
from uuid import UUID

import psycopg

from fcs.database.leadership import CANDIDATES_CHANNEL
from fcs.domain.hints import SUPERVISOR_CHANNEL, report, worker_channel
from fcs.domain.ids import Incarnation
from proof.fuzz.report import Report
from proof.fuzz.rows import flow
from proof.fuzz.scene import Scene, memory_of

LENGTH_MAX: Final = 7_999
"""Bytes that Postgres takes."""

LINES_MAX: Final = 100
GROWTH_MAX: Final = 60 * 1024 * 1024
BATCH: Final = 500
"""So many are sent in one transaction, as what arrives together is the harder to take."""

WORDS: Final = (
    "tasks", "scan", "rescan", "settle", "workers", "schedules", "queues", "report", "cancel",
    "vacant", "mode", "adopted", "ring", "null", "{}", "-1", "0", "٣", "9" * 30, "\x01", "\ufeff",
)  # fmt: skip


def run(scene: Scene, *, count: int, rng: Random) -> Report:
    """Send so many, a task between each two batches; then see that everybody is still there."""
    found = Report("notifications", tried=count)
    processes = scene.cluster.processes
    lines, memory = scene.log_lines(), [memory_of(process) for process in processes]
    incarnations = scene.incarnations()
    channels = [SUPERVISOR_CHANNEL, CANDIDATES_CHANNEL]
    channels += [worker_channel(Incarnation(id)) for id in incarnations]
    with sender(scene) as send:
        for first in range(0, count, BATCH):
            batch = [
                (rng.choice(channels), payload(rng, incarnations))
                for _ in range(min(BATCH, count - first))
            ]
            send.execute(
                _SEND, {"channels": [c for c, _ in batch], "payloads": [p for _, p in batch]}
            )
            if first % (10 * BATCH) == 0:
                flow(scene, found, 1, "amid notifications")
    flow(scene, found, 10, "after notifications")
    found.violations += [f"{name} has ended" for name in scene.dead()]
    written = scene.log_lines() - lines
    found.check(written <= LINES_MAX, f"{written} lines were logged")
    growth = max(
        memory_of(process) - before for process, before in zip(processes, memory, strict=True)
    )
    found.check(growth < GROWTH_MAX, f"a process grew by {growth:,} bytes")
    found.figures |= {"lines logged": written, "growth of a process, kB": growth // 1024}
    return found


_SEND: Final = """
    select pg_notify(channel, payload)
      from unnest(%(channels)s::text[], %(payloads)s::text[]) as hint (channel, payload)
"""


@contextmanager
def sender(scene: Scene) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session of somebody who may do nothing but connect."""
    with psycopg.connect(scene.cluster.own_url, autocommit=True) as db:
        yield db


def payload(rng: Random, incarnations: Sequence[UUID]) -> str:
    """Anything between noise and what a real process would say."""
    match rng.randrange(7):
        case 0:
            return _noise(rng, rng.randrange(40))
        case 1:
            return _noise(rng, LENGTH_MAX)
        case 2:
            return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(8)))
        case 3:
            ids = (str(UUID(int=rng.getrandbits(128))) for _ in range(rng.randrange(1, 200)))
            return rng.choice(["", "tasks ", "cancel "]) + " ".join(ids)
        case 4:
            return _forged(rng, incarnations)
        case 5:
            return _mutilated(rng, _forged(rng, incarnations))
        case _:
            return rng.choice(WORDS)


def _forged(rng: Random, incarnations: Sequence[UUID]) -> str:
    """An account in the name of a real worker."""
    who = Incarnation(rng.choice([*incarnations, UUID(int=rng.getrandbits(128))]))
    no, busy, taken = (rng.choice([0, 1, 7, 2**31, 2**61, rng.getrandbits(62)]) for _ in range(3))
    return report(who, no, busy, taken)


def _mutilated(rng: Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + _noise(rng, rng.randrange(3)) + text[at + rng.randrange(3) :]


def _noise(rng: Random, length: int) -> str:
    """Text of so many bytes at the most; a notification cannot hold a NUL."""
    letters = [
        chr(rng.choice([1, 10, 27, 32, 65, 0x7F, 0xE9, 0x663, 0x202E, 0x1F4A9])) for _ in range(20)
    ]
    text = "".join(letters) * (length // 20 + 1)
    return text.encode()[:length].decode("utf-8", "ignore")
