"""A client of the torture: creates tasks by the real library or over HTTP, and keeps its book.

    python -m proof.torture.load BOOK --number 1 --way python --to URL --rate 40

Each task has a serial number. Before a create is sent that is written down, and afterwards what
came of it: `ok`, `fail` (it was refused, and nothing was created) or `unknown`. Runs until it is
asked to leave.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

from proof.torture.books import Book
from proof.torture.over_http import by_http
from proof.torture.wishes import CANCELLED, CANCELLED_WITHIN, Answer, Way, Wish, wishes

IN_FLIGHT_MAX: Final = 50
TRIES_MAX: Final = 4
"""How often a create under a key is sent whose outcome is unknown."""


class Client:
    """Asks for what it wishes at a rate, and writes down what came of it."""

    def __init__(self, book: Book, way: Way, rng: Random, *, rate: float) -> None:
        self._book, self._way, self._rng, self._rate = book, way, rng, rate
        self._numbers = count(1)
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self, wishes: Iterator[Wish], over: asyncio.Event) -> None:
        """Until it is over; what is under way then is brought to its end."""
        while not over.is_set():
            await self._pause(self._rng.expovariate(self._rate), over)
            if len(self._in_flight) < IN_FLIGHT_MAX:
                task = asyncio.create_task(self._bring_about(next(wishes)))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _pause(self, seconds: float, over: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(seconds):
                await over.wait()
        except TimeoutError:
            pass

    async def _bring_about(self, wish: Wish) -> None:
        answer = await self._create(wish)
        for _ in range(TRIES_MAX - 1):
            # Under its key the same may be asked again until the answer is known.
            if answer.op != "unknown" or wish.key is None or self._rng.random() < 0.3:
                break
            answer = await self._create(wish)
        if wish.is_to_be_cancelled and answer.op == "ok":
            await asyncio.sleep(self._rng.uniform(0, CANCELLED_WITHIN))
            said = await self._way.cancel(answer.ids[0])
            self._book.write("cancel", id=answer.ids[0], is_over=said == CANCELLED, said=said)

    async def _create(self, wish: Wish) -> Answer:
        call = next(self._numbers)
        self._book.write("create", call=call, serials=wish.serials, key=wish.key, ty=wish.ty)
        answer = await self._way.create(wish)
        said = {"ids": answer.ids} if answer.ids else {}
        self._book.write(answer.op, call=call, error=answer.error, **said)
        return answer


def by_library(url: str) -> Way:
    """As an application does that has the task types at hand."""
    import fcs
    from fcs.domain.errors import DatabaseUnavailable, FcsError, KeyInFlight
    from proof.torture import bodies

    bodies.app.store = type(bodies.app.store)(url)
    handlers: Mapping[str, Any] = vars(bodies)

    async def create(wish: Wish) -> Answer:
        handler = handlers[wish.ty].using(scheduled_at=wish.scheduled_at, key=wish.key)
        try:
            if len(wish.calls) > 1:
                tasks = await handler.enqueue_many(wish.calls)
            else:
                tasks = [await handler.enqueue(**wish.calls[0])]
        except (DatabaseUnavailable, KeyInFlight) as error:
            return Answer("unknown", error=str(error))
        except FcsError as error:
            return Answer("fail", error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the checker is told
            return Answer("surprise", error=repr(error))
        return Answer("ok", tuple(str(task.id) for task in tasks))

    async def cancel(id: str) -> str:
        task: fcs.Task[Any] = bodies.app.find(id)
        try:
            found = str(await task.cancel("as planned"))
            return CANCELLED if found in ("pending", "dispatched") else f"found {found}"
        except FcsError as error:
            return f"unknown: {error}"

    return Way(create, cancel)


def main(arguments: Sequence[str]) -> int:
    """Create tasks until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m proof.torture.load", description=__doc__)
    parser.add_argument("book", type=Path)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--way", choices=["python", "http"], required=True)
    parser.add_argument("--to", required=True, help="a database, or addresses of doors")
    parser.add_argument("--rate", type=float, required=True, help="creates a second")
    parser.add_argument("--ahead", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    asyncio.run(_create_tasks(options))
    return 0


async def _create_tasks(options: argparse.Namespace) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    rng = Random(f"{options.seed} {options.number}")
    way = by_library(options.to) if options.way == "python" else by_http(options.to.split(","), rng)
    client = Client(Book(options.book), way, rng, rate=options.rate)
    await client.run(wishes(options.number, rng, ahead=options.ahead), over)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
