"""P12: what it costs to import fcs, and to ask its command line for help."""

import asyncio
import sys
from collections.abc import AsyncIterator
from statistics import median
from time import perf_counter

from bench.bar import AtMost, Bar, Sample, Within
from bench.stage import Stage

IMPORT, ALONE, HELP = "import fcs, with an app", "import psycopg and msgspec", "fcs --help"

_PROGRAM = """
from fcs import App
app = App(database="postgres://nowhere/nothing")
@app.task
async def mail(to: str) -> None: ...
"""

_WATCH = """
from time import perf_counter
began = perf_counter()
{}
print(perf_counter() - began)
"""


async def imports(stage: Stage) -> AsyncIterator[Sample]:
    """Each in fresh processes, in turn: the import alone, and the help with its process."""
    theirs, ours, asking = [], [], []
    for _ in range(stage.size(15, small=1)):
        theirs.append(float(await _run("-c", _WATCH.format("import psycopg, msgspec"))))
        ours.append(float(await _run("-c", _WATCH.format(_PROGRAM))))
        began = perf_counter()
        await _run("-m", "fcs", "--help")
        asking.append(perf_counter() - began)
    yield Sample(ALONE, "ms", median(theirs) * 1e3)
    yield Sample(IMPORT, "ms", median(ours) * 1e3)
    yield Sample(HELP, "ms", median(asking) * 1e3)


async def _run(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


BAR = Bar(
    "P12",
    "import of fcs with an app and a task type, for a producer; fcs --help",
    [imports],
    [AtMost(IMPORT, ALONE, 2), Within(HELP, 100)],
)
