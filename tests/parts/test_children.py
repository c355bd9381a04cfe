"""Child processes: whatever a body does to its own, the worker knows what happened, and goes on."""

import asyncio
import logging
import os
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pytest
from tests.parts.poison import MEMORY_MAX, app
from tests.parts.stage import PATIENCE, is_alive, is_there, recipe_for, until_so

from fcs.body import Ask, Context
from fcs.body.context import Progress
from fcs.body.logs import keep_journals
from fcs.body.perform import NotGone
from fcs.body.pipe import Go
from fcs.child.leftovers import leftovers
from fcs.cli.errors import EXIT_CODES, FAILED
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Failed, Interrupted, Outcome, Stopped, Succeeded
from fcs.domain.task import StopLevel
from fcs.worker.children.child import Child, ChildNotStarted
from fcs.worker.children.environment import clean
from fcs.worker.children.pool import Pool
from fcs.worker.children.spawn import Recipe

SIZE = 2

RECIPE = recipe_for("tests.parts.poison:app")


@asynccontextmanager
async def pool_of(
    recipe: Recipe = RECIPE, types: tuple[str, ...] = ("double",), size: int = SIZE
) -> AsyncIterator[Pool]:
    """A pool for as long as the block runs."""
    pool = Pool(recipe, types, size, rng=Random(1))
    await pool.open()
    part = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        part.cancel()
        await asyncio.wait([part])


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[Pool]:
    """One for all: it must survive each of them."""
    keep_journals()
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    async with pool_of() as pool:
        pool.want(SIZE)
        yield pool
    root.setLevel(level)


class Seen(NamedTuple):
    """What came of a run."""

    outcome: Outcome
    journal: str
    progress: list[Progress]
    pid: int


async def take(pool: Pool) -> Child:
    found: list[Child] = []

    def look() -> bool:
        if child := pool.take():
            found.append(child)
        return bool(found)

    await until_so(look)
    return found[0]


async def run(
    pool: Pool, ty: str, *, ask: tuple[Ask, Callable[[], bool]] | None = None, **args: Any
) -> Seen:
    """Run a body; `ask` it to end as soon as something is so."""
    progress: list[Progress] = []
    context = Context(
        id=TaskId(uuid4()),
        run_id=RunId(uuid4()),
        ty=ty,
        timeout=7,
        on_progress=lambda _, moved: progress.append(moved),
    )
    go = Go(context.id, context.run_id, ty, msgspec.json.encode(args).decode(), 1, 1, 7)
    child = await take(pool)
    cpu_max = app.registry.get(ty).cpu_max
    performing = asyncio.create_task(pool.perform(child, go, context, cpu_max=cpu_max))
    if ask is not None:
        why, when = ask
        await until_so(when)
        assert context.ask(why)
        child.ask(why)
    async with asyncio.timeout(PATIENCE):
        outcome = await performing
    return Seen(outcome, context.kept() or "", progress, child.pid)


POISON: dict[str, tuple[str, dict[str, Any]]] = {
    "exit_by_exception": ("SystemExit: 3", {}),
    "exit_at_once": ("the child exited with code 3 in the middle of the body", {}),
    "segfault": (r"the child was killed by signal 11 \(SIGSEGV\) .*the log shows where", {}),
    "shoot_itself": (r"the child was killed by signal 9 \(SIGKILL\) .*memory runs out", {}),
    "take_memory": (
        r"MemoryError \(its memory_max is 67,108,864 bytes\)",
        {"size": 2 * MEMORY_MAX},
    ),
    "spin": (r"the child was killed by signal 24 \(SIGXCPU\) .*cpu_max is 0.1 s", {}),
    "return_what_is_no_json": ("the body returned, but its result cannot be kept", {}),
    "raise_the_mute": (r"Mute \(its message cannot be shown\)", {}),
    "close_everything": ("the child exited with code 1", {}),
}


@pytest.mark.parametrize("ty", POISON)
async def test_poison_ends_in_a_failure_that_says_what_happened(pool: Pool, ty: str) -> None:
    expected, args = POISON[ty]
    outcome = (await run(pool, ty, **args)).outcome

    assert isinstance(outcome, Failed)
    assert re.match(expected, outcome.error), outcome.error
    await is_as_before(pool)


async def is_as_before(pool: Pool) -> None:
    """The pool has come back to its size, and its children to work."""
    await until_so(lambda: pool.size == SIZE)
    assert (await run(pool, "double", n=21)).outcome == Succeeded("42")


async def test_a_child_that_says_what_makes_no_sense_is_ended(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.worker.children.child.END_SECONDS", 0.1)
    outcome = (await run(pool, "write_everywhere")).outcome

    assert isinstance(outcome, Failed)
    assert outcome.error == "the child broke its line to the worker in the middle of the body"
    await is_as_before(pool)


async def test_a_small_limit_leaves_a_body_what_it_says() -> None:
    async with pool_of(size=1) as pool:
        assert (await run(pool, "live_on_little")).outcome == Succeeded(str(1024 * 1024))


async def test_a_limit_ends_with_its_body() -> None:
    async with pool_of(size=1) as pool:
        limited = await run(pool, "take_memory", size=2 * MEMORY_MAX)
        free = await run(pool, "take_memory_without_a_limit", size=2 * MEMORY_MAX)

    assert isinstance(limited.outcome, Failed)
    assert free.outcome == Succeeded(str(2 * MEMORY_MAX))
    assert limited.pid == free.pid


async def test_a_body_that_holds_the_interpreter_for_ever_is_ended(
    pool: Pool, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    seen = await run(
        pool, "hold_the_interpreter", ready=str(ready), ask=(Ask.TIMEOUT, ready.exists)
    )

    assert isinstance(seen.outcome, Failed)
    assert seen.outcome.error == "timed out after 7 s (its process was killed)"
    await is_as_before(pool)


async def test_a_gigabyte_of_output_is_read_and_all_but_its_beginning_left_out(pool: Pool) -> None:
    seen = await run(pool, "print_a_gigabyte")

    assert seen.outcome == Succeeded()
    assert len(seen.journal) <= 16 * 1024
    assert re.search(r"x\n… \(1,073,726,464 more bytes of output left out\)$", seen.journal)
    await is_as_before(pool)


async def test_a_daemon_that_a_body_leaves_behind_is_ended(pool: Pool, tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    seen = await run(pool, "leave_a_daemon", note=str(note))

    assert seen.outcome == Succeeded()
    await until_so(lambda: not is_alive(int(note.read_text())))
    await is_as_before(pool)


async def test_what_a_body_has_started_ends_with_it_when_it_crashes(
    pool: Pool, tmp_path: Path
) -> None:
    note = tmp_path / "program"
    await run(pool, "die_with_a_program_running", note=str(note))
    await until_so(lambda: not is_alive(int(note.read_text())))


async def test_a_body_that_comes_back_twice_has_ended_once(pool: Pool) -> None:
    seen = await run(pool, "come_back_twice")

    assert seen.outcome == Succeeded('"original"')
    assert re.fullmatch(".*: the original", seen.journal)
    await is_as_before(pool)


@pytest.mark.parametrize("ty", ["double", "double_later"])
async def test_a_child_takes_run_after_run(pool: Pool, ty: str) -> None:
    first, second = await run(pool, ty, n=1), await run(pool, ty, n=2)

    assert (first.outcome, second.outcome) == (Succeeded("2"), Succeeded("4"))
    assert first.pid == second.pid


async def test_what_a_body_says_reaches_its_worker(pool: Pool) -> None:
    seen = await run(pool, "talk", lines=2)

    # What is printed and what is logged come by different ways.
    assert re.search(r" INFO tests.parts.poison: line 0\n(.*\n)?.* line 1(\n|$)", seen.journal)
    assert "printed" in seen.journal.splitlines()
    assert seen.progress[-1] == Progress(2, 2, "all")


async def test_a_body_that_logs_without_end_fills_its_journal_and_nothing_else(pool: Pool) -> None:
    seen = await run(pool, "talk", lines=20_000)

    assert seen.outcome == Succeeded()
    assert len(seen.journal) <= 16 * 1024
    assert re.search(r"… \(19\d\d\d more log records left out\)", seen.journal)


async def test_the_last_words_of_a_crash_are_in_its_journal(pool: Pool) -> None:
    assert (await run(pool, "exit_at_once")).journal == "last words"
    assert re.search("Segmentation fault(.|\n)*in segfault", (await run(pool, "segfault")).journal)


@pytest.mark.parametrize(
    ("ty", "why", "expected"),
    [
        ("sleep", Ask.CANCEL, Stopped(StopLevel.KILL)),
        ("sleep_well", Ask.CANCEL, Stopped(StopLevel.FLAG)),
        ("sleep_on_the_loop", Ask.CANCEL, Stopped(StopLevel.CANCEL)),
        ("sleep", Ask.TIMEOUT, "timed out after 7 s (its process was killed)"),
        ("sleep_well", Ask.TIMEOUT, "timed out after 7 s (the body left when asked)"),
        ("sleep_on_the_loop", Ask.TIMEOUT, "timed out after 7 s (the body was cancelled)"),
        ("sleep", Ask.SHUTDOWN, "its worker was shut down before the body had ended"),
        ("sleep_well", Ask.SHUTDOWN, "its worker was shut down before the body had ended"),
    ],
)
async def test_a_body_that_is_asked_to_end_is_first_asked_and_then_killed(
    pool: Pool, ty: str, why: Ask, expected: Stopped | str
) -> None:
    outcome = (await run(pool, ty, ask=(why, lambda: True))).outcome

    match outcome:
        case Failed(error):
            assert error == expected
        case Interrupted(reason):
            assert reason == expected
        case _:
            assert outcome == expected


async def test_a_child_sees_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["FCS_DATABASE", "DATABASE_URL", "PGPASSWORD", "FCS_TOKEN_FILE", "AWS_TOKEN"]
    for name in [*secrets, "SHOP_REGION", "SHOP_NAME"]:
        monkeypatch.setenv(name, "value")
    recipe = RECIPE._replace(environment=clean(os.environ, ["SHOP_*"]))
    async with pool_of(recipe) as pool:
        seen = await run(pool, "see", names=[*secrets, "SHOP_REGION", "SHOP_NAME", "PATH"])

    assert isinstance(seen.outcome, Succeeded)
    assert msgspec.json.decode(seen.outcome.result or "") == {
        **dict.fromkeys(secrets),
        "SHOP_REGION": "value",
        "SHOP_NAME": "value",
        "PATH": os.environ["PATH"],
    }


async def test_a_child_enters_a_resource_once_and_leaves_it_when_it_goes(tmp_path: Path) -> None:
    note = tmp_path / "note"
    environment = RECIPE.environment | {"FCS_TEST_NOTE": str(note)}
    async with pool_of(RECIPE._replace(environment=environment), size=1) as pool:
        for word in ("one", "two"):
            await run(pool, "note_down", word=word)
    assert note.read_text() == "entered\none\ntwo\nleft\n"


async def test_a_child_has_a_group_and_a_session_of_its_own_and_no_files_of_its_worker(
    pool: Pool,
) -> None:
    with open(os.devnull) as file:  # noqa: ASYNC230, PTH123
        os.set_inheritable(file.fileno(), True)
        seen = await run(pool, "whoami")

    assert isinstance(seen.outcome, Succeeded)
    pid, group, session, files = msgspec.json.decode(seen.outcome.result or "")
    assert pid == group == session == seen.pid
    # Its input and output, the line, the event loop's own three, and the listing.
    assert files <= 8


async def test_a_child_is_replaced_after_so_many_runs() -> None:
    async with pool_of(RECIPE._replace(runs_max=2), size=1) as pool:
        pids = [(await run(pool, "double", n=n)).pid for n in range(4)]

    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_a_child_that_has_grown_is_replaced() -> None:
    async with pool_of(RECIPE._replace(growth_max=-1), size=1) as pool:
        pids = [(await run(pool, "double", n=n)).pid for n in range(2)]

    assert pids[0] != pids[1]


async def test_a_child_that_dies_while_nobody_needs_it_is_replaced() -> None:
    async with pool_of(size=1) as pool:
        first = (await run(pool, "double", n=1)).pid
        os.kill(first, signal.SIGKILL)
        await until_so(lambda: any(child.pid != first for child in pool._ready))
        assert (await run(pool, "double", n=1)).pid != first


async def test_a_child_that_the_system_refuses_is_started_when_it_allows_it_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with pool_of() as pool:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            pool.want(SIZE)
            await until_so(lambda: "the system starts no child process" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until_so(lambda: pool.size == SIZE)


async def test_children_come_and_go_without_a_trace() -> None:
    def files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    async with pool_of(RECIPE._replace(runs_max=1), size=1) as pool:
        await run(pool, "double", n=0)
        await until_so(lambda: bool(pool._ready) and len(pool._endings) == 1)
        before = files()
        for n in range(3):
            await run(pool, "double", n=n)
        await until_so(lambda: bool(pool._ready) and len(pool._endings) == 1)
        assert files() == before


async def test_a_run_whose_child_died_before_the_go_is_known_not_to_have_started(
    pool: Pool,
) -> None:
    child = await take(pool)
    os.kill(child.pid, signal.SIGKILL)
    context = Context(id=TaskId(uuid4()), run_id=RunId(uuid4()), ty="double")
    go = Go(context.id, context.run_id, "double", '{"n": 1}', 1, 1, None)

    with pytest.raises(NotGone, match=str(context.id)):
        await pool.perform(child, go, context, cpu_max=None)
    await is_as_before(pool)


async def test_a_child_goes_when_the_line_ends_in_the_middle_of_a_body(tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    async with pool_of(size=1) as pool:
        running = asyncio.create_task(run(pool, "sleep_beside_a_program", note=str(note)))
        await until_so(lambda: note.exists() and note.read_text() != "")
        [child] = pool._busy
        child._line.abort()
        seen = await running
    assert isinstance(seen.outcome, Failed)
    assert "killed by signal 9" in seen.outcome.error
    await until_so(lambda: not is_alive(int(note.read_text())))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not tell")
async def test_the_kernel_ends_a_child_that_holds_its_interpreter_when_its_worker_is_gone(
    tmp_path: Path,
) -> None:
    """Not even the keeper is needed for that."""
    note = tmp_path / "pid"
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, str(note))
    assert await worker.wait() == 0
    await until_so(lambda: not is_alive(int(note.read_text())))


WORKER = """
import asyncio, os, sys
from pathlib import Path
from uuid import uuid4
from tests.parts.test_children import RECIPE
from fcs.body.pipe import Go, Ready, Started
from fcs.worker.children.spawn import spawn

async def main(note):
    process, line, _ = await spawn(RECIPE)
    assert isinstance(await line.receive(), Ready)
    args = '{"ready": "%s.ready"}' % note
    line.send(Go(uuid4(), uuid4(), "hold_the_interpreter", args, 1, 1, None))
    assert isinstance(await line.receive(), Started)
    while not Path(note + ".ready").exists():
        await asyncio.sleep(0.01)
    Path(note).write_text(str(process.pid))
    os._exit(0)

asyncio.run(main(sys.argv[1]))
"""


async def test_no_child_is_left_when_the_pool_has_closed() -> None:
    async with pool_of() as pool:
        pool.want(SIZE)
        await until_so(lambda: pool.size == SIZE)
        pids = [(await take(pool)).pid for _ in range(SIZE)]
        assert all(map(is_alive, pids))
    assert not any(map(is_there, pids))


@pytest.mark.parametrize(
    ("changes", "types", "message"),
    [
        ({"app": "tests.parts.nowhere:app"}, (), "cannot import the application: .*nowhere"),
        ({}, ("double", "novelty"), "does not have novelty"),
        (
            {"environment": RECIPE.environment | {"FCS_TEST_EXIT": "7"}},
            (),
            "exited with code 7 before it could run anything; it said:\n  not here",
        ),
    ],
)
async def test_a_pool_that_cannot_have_children_says_so_at_the_start(
    changes: dict[str, Any], types: tuple[str, ...], message: str
) -> None:
    before = set(leftovers())
    with pytest.raises(ChildNotStarted, match=message):
        async with pool_of(RECIPE._replace(**changes), types):
            pass
    assert set(leftovers()) <= before, "its keeper is still there"


async def test_a_first_child_that_was_killed_says_nothing_against_starting_again() -> None:
    """The system may have been short of memory. `fcs up` gives up on wrong usage, and so on us."""
    killed = RECIPE._replace(environment=RECIPE.environment | {"FCS_TEST_EXIT": "-9"})
    with pytest.raises(ChildNotStarted, match=r"killed by signal 9 \(SIGKILL\)") as raised:
        async with pool_of(killed):
            pass
    assert EXIT_CODES[raised.value.code] == FAILED


async def test_a_child_opens_its_own_resources(pool: Pool) -> None:
    assert (await run(pool, "given")).outcome == Succeeded('["given",true]')


async def test_a_dead_child_that_nobody_has_mourned_is_replaced_and_leaves_nothing_open() -> None:
    async with pool_of(size=1) as pool:
        [child] = pool._ready
        child._kill_group()
        await child._process.wait()
        assert child in pool._ready

        assert pool.take() is None

        await until_so(lambda: pool.size == 1)
        await until_so(lambda: not is_open(child._output._reader))


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
