"""Starting a child process: executed anew, never forked; a group and an environment of its own."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple

from fcs.worker.children.line import Line
from fcs.worker.children.output import Output


class Recipe(NamedTuple):
    """How to make a child. It is spent after `runs_max` runs, or when it has grown by more than
    `growth_max` bytes; a body that was asked to end has `kill_grace` seconds."""

    app: str
    environment: dict[str, str]
    runs_max: int
    growth_max: int
    kill_grace: float


class Spawned(NamedTuple):
    process: asyncio.subprocess.Process
    line: Line
    output: Output


async def spawn(recipe: Recipe) -> Spawned:
    """Start the process; it says by itself when it is ready."""
    ours, theirs = socket.socketpair()
    output = Output()
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(recipe, theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output.writer,
            stderr=output.writer,
            env=recipe.environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        output.close()
        raise
    finally:
        theirs.close()
        os.close(output.writer)
    return Spawned(process, await Line.open(ours), output)


def _command(recipe: Recipe, line: int) -> Sequence[str]:
    options = {
        "--app": recipe.app,
        "--line": line,
        "--parent": os.getpid(),
        "--log-level": logging.getLogger().getEffectiveLevel(),
        "--runs-max": recipe.runs_max,
        "--growth-max": recipe.growth_max,
    }
    told = [f"{name}={value}" for name, value in options.items()]
    # -P: what lies in the current folder must not stand in for Python's own modules.
    return [sys.executable, "-P", "-m", "fcs.child", *told]
