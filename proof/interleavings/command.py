"""`python -m proof interleavings`: plays every schedule, and says in one line what came of it."""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fcs.database.migrate import migrate
from fcs.embedded import Postgres
from proof.interleavings import state
from proof.interleavings.run import Tally, play_at_every_level

FAULTS_SHOWN: Final = 10

# Nobody crashes this server, and nobody wants to have its data afterwards.
CARELESS: Final = {"fsync": "off", "full_page_writes": "off"}


def main(arguments: Sequence[str]) -> int:
    """Play on a Postgres of its own."""
    parser = argparse.ArgumentParser(prog="python -m proof interleavings", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the part that the tests play")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="fcs-proof-") as folder,
        Postgres(folder, settings=CARELESS) as server,
    ):
        asyncio.run(migrate(server.url()))
        state.set_up(server.url())
        tally = Tally()
        asyncio.run(play_at_every_level(server.url(), tally, in_full=not options.short))
    for fault in tally.faults[:FAULTS_SHOWN]:
        print(fault)
    print(tally.summary.line)
    tally.summary.keep(options.json)
    return tally.summary.exit_code
