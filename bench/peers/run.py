"""Asks a peer for one measure: a process in its environment, and one JSON line for an answer."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bench.peers import Peer
from bench.peers.environment import NotMeasured, last_line

ROOT = Path(__file__).parents[2]
ANSWERED_WITHIN = 300.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer says: tasks a second, or milliseconds in the middle and at the 99th of 100."""

    measure: str
    unit: str
    value: float
    p99: float | None = None


async def ask(peer: Peer, python: Path, measure: str, *, url: str, tasks: int) -> Answer:
    """Run one measure in an empty database.

    Raises `NotMeasured` when the peer fails, falls silent, or says what is not an answer.
    """
    script = peer.path / "bench_peer.py"
    command: list[str | Path] = [python, script, measure, "--url", url, "--tasks", str(tasks)]
    async with _process(command, os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                said, complained = await process.communicate()
        except TimeoutError:
            raise NotMeasured(
                f"{peer.name} did not answer {measure} within {ANSWERED_WITHIN:g} s"
            ) from None
    if process.returncode:
        raise NotMeasured(f"{peer.name} failed at {measure}: {last_line(complained.decode())}")
    return understand(peer, measure, said)


def understand(peer: Peer, measure: str, said: bytes) -> Answer:
    """The one line that a peer prints, and nothing that could be mistaken for a figure."""
    try:
        answer = msgspec.json.decode(said, type=Answer)
    except msgspec.DecodeError as error:
        raise NotMeasured(f"{peer.name} did not answer {measure} in JSON: {error}") from None
    if answer.measure != measure or answer.value <= 0:
        raise NotMeasured(f"{peer.name} was asked for {measure} and said {said.decode().strip()}")
    return answer


@asynccontextmanager
async def _process(
    command: list[str | Path], environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a session of its own, which ends with the block and takes its children along."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        await process.wait()
