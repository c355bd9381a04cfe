"""The HTTP door by itself: `python -m bench.http_server URL` prints its port and serves.

With `without-database` for the URL, creates are answered at once and nothing is written.
"""

import sys
from collections.abc import Sequence
from random import SystemRandom

import uvloop

from fcs import http
from fcs.client.ids import new_task_id
from fcs.database.creation import Created, as_asked
from fcs.database.writer import Writer
from fcs.domain.task import NewTask
from fcs.http import Store
from fcs.node.bench.app import app
from fcs.node.door import bind

WITHOUT = "without-database"


class Forgetful(Writer):
    """Says that everything is written."""

    async def create(self, new: Sequence[NewTask]) -> Created:
        return as_asked(new)


async def serve(url: str) -> None:
    """Serve until killed."""
    writer = (Forgetful if url == WITHOUT else Writer)(url, rng=SystemRandom())
    door = http.create_app(
        registry=app.registry,
        store=Store(url, writer=writer, rng=SystemRandom()),
        new_id=new_task_id,
        checks={},
        version="bench",
    )
    listeners = await bind("127.0.0.1", 0)
    print(listeners[0].getsockname()[1], flush=True)
    await http.serve(door, listeners, on_stop=lambda: None)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
