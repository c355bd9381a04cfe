"""What a type checker says to users: arguments of tasks are checked before anything runs."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg

from fcs import GIVEN, App, Context, Status, Task

app = App()


@app.task
async def greet(name: str, times: int = 1) -> None: ...


@app.task(queue="mail", priority=5)
def mail(to: str) -> int:
    return 1


@app.task(max_attempts=3)
async def count() -> int:
    return 1


class Pool: ...


@app.resource
async def pool() -> AsyncIterator[Pool]:
    yield Pool()


@app.middleware
async def around(context: Context) -> AsyncIterator[None]:
    yield


@app.task
async def resize(context: Context, width: int, *, pool: Pool = GIVEN) -> str:
    return context.ty


@app.task(timeout="1m")
def shrink(context: Context, width: int) -> str:
    return context.ty


async def right(db: psycopg.AsyncConnection, own: psycopg.Connection) -> None:
    task = await greet.enqueue("Ann", times=2)
    (await task.wait(timeout=10)).status.is_final
    await greet(name="Ben")
    number: int = mail("ann@example.org")
    mail.using(queue="vip", scheduled_at=datetime.now(UTC)).enqueue_sync(to="ann@example.org")
    await mail.using(connection=db).enqueue("ann@example.org")
    mail.using(connection=own).enqueue_sync("ann@example.org")
    await greet.enqueue_many([{"name": "Ann"}, {"name": "Ben", "times": 2}])
    sent: int = await mail.enqueue_sync("ann@example.org").result(timeout=1)
    counted: int = (await count.enqueue()).result_sync()
    counts: list[Task[int]] = await count.using(delay="5m").enqueue_many([{}])
    again: Task[int] = await counts[0].retry()
    name: str = await (await resize.enqueue(width=5)).result()
    names: Task[str] = shrink.using(delay=1).enqueue_sync(5)
    ended: Status = await again.cancel("no need")


async def wrong() -> None:
    await greet.enqueue()  # call-arg
    await greet.enqueue(1)  # arg-type
    await greet.enqueue("Ann", time=2)  # call-arg
    greet.enqueue_sync("Ann", times="two")  # arg-type
    greet.enqueue("Ann")  # unused-coroutine
    mail.using(queue="vip").enqueue_sync(2)  # arg-type
    mail.using(priority="high")  # arg-type
    mail.using(when=3)  # call-arg
    text: str = mail("ann@example.org")  # assignment
    sent: str = mail.enqueue_sync("ann@example.org").result_sync()  # assignment
    counted: str = (await count.enqueue()).result_sync()  # assignment
    found: int = app.find("…").result()  # assignment
    await resize.enqueue("wide")  # arg-type
    shrink.enqueue_sync()  # call-arg
    narrow: int = shrink.enqueue_sync(1).result_sync()  # assignment
    doubled: Task[str] = await count.enqueue()  # assignment
"""


def test_wrong_arguments_are_found_by_mypy(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = Path(__file__).parents[2]
    answer = subprocess.run(
        # With the repository's own settings, and the cache that checking it has left.
        [sys.executable, "-m", "mypy", "--config-file", root / "pyproject.toml", program],
        capture_output=True,
        check=False,  # it is to find errors
        text=True,
        cwd=root,
    )
    assert not answer.stderr
    found = re.findall(r"program\.py:(\d+): error: .*\[([a-z-]+)\]$", answer.stdout, re.MULTILINE)
    expected = [
        (str(number), line.rpartition("# ")[2])
        for number, line in enumerate(PROGRAM.splitlines(), start=1)
        if "  # " in line
    ]
    assert found == expected, answer.stdout
