"""Creates tasks by a schedule, come what may; prints the seconds of processor time that took.

`python -m bench.creators URL RATE SECONDS CALLERS PORT`. Each create is a statement and a commit
of its own, over one of `CALLERS` connections that take them in turn. A create that comes late
counts from when it was to be sent: bodies are told that moment, so that lateness of any part,
of this one too, is in what they measure.
"""

import asyncio
import sys
from random import Random
from time import monotonic_ns, process_time

import uvloop

from fcs.client.ids import new_task_id
from fcs.database.writer import Writer
from fcs.domain.task import NewTask
from fcs.node.bench.app import answer


async def create(url: str, rate: float, seconds: float, callers: int, port: int) -> None:
    """Each caller has its own connection, and a turn every `callers / rate` seconds."""
    writers = [Writer(url, rng=Random()) for _ in range(callers)]
    begin_at = monotonic_ns() + 1_000_000_000
    count = int(rate * seconds)

    async def caller(number: int) -> None:
        for turn in range(number, count, callers):
            at = begin_at + int(turn * 1e9 / rate)
            await asyncio.sleep(max(0, at - monotonic_ns()) / 1e9)
            args = answer.task_type.pack(port=port, sent_at=at)
            await writers[number].create([NewTask(new_task_id(), "answer", args)])

    await asyncio.gather(*map(caller, range(callers)))
    for writer in writers:
        await writer.close()


if __name__ == "__main__":
    _url, _rate, _seconds, _callers, _port = sys.argv[1:]
    uvloop.run(create(_url, float(_rate), float(_seconds), int(_callers), int(_port)))
    print(process_time())
