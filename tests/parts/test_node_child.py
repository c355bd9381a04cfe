"""A child that is kept running: started anew when it dies, ended when asked, its output shown."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.parts.stage import PATIENCE, until_so

from fcs.node import child as module
from fcs.node.child import Child, GaveUp
from fcs.node.ports import hold_port


class Stage:
    """A child on its own, and what was heard of it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.said: list[str] = []
        self.lives: list[tuple[Child, asyncio.Task[None]]] = []

    def start(
        self, script: str, *arguments: str, held: Sequence[socket.socket] = ()
    ) -> tuple[Child, asyncio.Task[None]]:
        child = Child(
            "ann",
            [sys.executable, "-u", "-c", script, *arguments],
            os.environ | {"FOR_THE_CHILD": "yes"},
            show=lambda _, line: self.lines.append(line),
            say=self.said.append,
            held=held,
        )
        self.lives.append((child, asyncio.create_task(child.run())))
        return self.lives[-1]

    async def lines_are(self, *expected: bytes) -> None:
        await until_so(lambda: self.lines == list(expected))

    async def shown(self, line: bytes, times: int = 1) -> None:
        await until_so(lambda: self.lines.count(line) >= times)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(module, "PAUSE_FIRST", 0.01)
    stage = Stage()
    yield stage
    for child, life in stage.lives:
        child.signal(signal.SIGKILL)
        await asyncio.wait([life])


async def test_output_comes_line_by_line(stage: Stage) -> None:
    stage.start(
        "import os, sys, time; print('out'); print('err', file=sys.stderr);"
        " sys.stdout.write(os.environ['FOR_THE_CHILD'] + '\\nno end'); time.sleep(600)"
    )
    await stage.lines_are(b"out", b"err", b"yes")
    child, life = stage.lives[0]
    child.signal(signal.SIGTERM)
    await life
    assert stage.lines[-1] == b"no end"


async def test_line_without_an_end_is_not_kept_in_memory(stage: Stage) -> None:
    stage.start("import sys, time; sys.stdout.write('x' * 1_000_000); time.sleep(600)")
    await until_so(lambda: sum(map(len, stage.lines)) > 900_000)


async def test_dead_child_is_started_again(stage: Stage) -> None:
    stage.start("print('born'); exit(3)")
    await stage.shown(b"born", 3)
    assert "ann ended (exit code 3); starting it again" in stage.said[0]


async def test_killed_child_is_named_by_its_signal(stage: Stage) -> None:
    stage.start("import os; os.kill(os.getpid(), 9)")
    await until_so(lambda: bool(stage.said))
    assert "SIGKILL" in stage.said[0]


async def test_pauses_grow_from_death_to_death(stage: Stage) -> None:
    stage.start("pass")
    await until_so(lambda: len(stage.said) >= 3)
    assert [said.rsplit(" in ")[1] for said in stage.said[:3]] == ["0.01 s", "0.02 s", "0.04 s"]


async def test_child_that_lived_for_long_comes_back_soon(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROVEN_AFTER", 0.0)
    stage.start("pass")
    await until_so(lambda: len(stage.said) >= 3)
    assert {said.rsplit(" in ")[1] for said in stage.said} == {"0.01 s"}


async def test_wrong_usage_is_not_tried_again(stage: Stage) -> None:
    _, life = stage.start("print('born'); exit(2)")
    with pytest.raises(GaveUp, match="ann"):
        await life
    assert stage.lines == [b"born"]


@pytest.mark.parametrize("when", ["at once", "while it lives", "between two lives"])
async def test_child_that_is_asked_to_end_is_not_started_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    if when == "between two lives":
        monkeypatch.setattr(module, "PAUSE_FIRST", 600.0)
        child, life = stage.start("print('born')")
        await until_so(lambda: bool(stage.said))
    else:
        child, life = stage.start("print('born'); import time; time.sleep(600)")
        if when == "while it lives":
            await stage.shown(b"born")
        else:
            await asyncio.sleep(0)
    child.signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        await life
    assert stage.lines in ([], [b"born"])


@pytest.mark.parametrize("means", ["kernel", "watched"])
async def test_what_is_held_for_it_is_passed_to_every_life(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, means: str
) -> None:
    if means == "watched":
        monkeypatch.setattr("fcs.embedded.launch._kernel_tells_of_our_death", lambda: False)
    held = hold_port("127.0.0.1", 0)
    [number] = [listener.fileno() for listener in held]
    script = "import socket, sys; print(socket.socket(fileno=int(sys.argv[1])).getsockname()[1])"
    stage.start(script, str(number), held=held)
    await stage.shown(b"%d" % held[0].getsockname()[1], times=2)
    for listener in held:
        listener.close()


async def test_own_children_that_hold_its_output_do_not_keep_it(stage: Stage) -> None:
    script = (
        "import subprocess, sys;"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        " print(child.pid)"
    )
    stage.start(script)
    await until_so(lambda: len(stage.lines) >= 2)  # it was started again meanwhile
    for child, _ in stage.lives:
        child.signal(signal.SIGTERM)
    for line in stage.lines:
        os.kill(int(line), signal.SIGKILL)


ORPHANAGE = """
import asyncio, os, sys, threading
from pathlib import Path
from fcs.embedded import launch
from fcs.node.child import Child

if sys.argv[1] == "watched":
    launch._kernel_tells_of_our_death = lambda: False

script = "import os, pathlib, sys, time;"
script += " pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
child = Child("ann", [sys.executable, "-c", script, sys.argv[2]], os.environ,
              show=print, say=print)
asyncio.run(child.run())
"""


@pytest.mark.parametrize("means", ["kernel", "watched"])
async def test_child_goes_when_its_parent_is_killed(tmp_path: Path, means: str) -> None:
    note = tmp_path / "pid"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHANAGE, means, str(note))
    await until_so(lambda: note.exists() and note.read_text() != "")
    pid = int(note.read_text())
    assert is_alive(pid)

    parent.kill()
    await parent.wait()
    await until_so(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    """Whether a process is there; one that waits to be buried is not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
