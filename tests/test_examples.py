"""The examples run, and so do the marked blocks of the README and the guides.

A fenced block directly after a line `<!-- run -->` is run, in the order of its page:

- a `python` block is a file of the page's own folder. Its first line may name it, as in
  `# tasks.py`; later blocks can import it then. A worker runs the tasks of every block that
  makes an `App`;
- of a `console` block each line that starts with `$ ` is a command, run in that folder, where
  `fcs` and `./fcs` are the command line of this repository. The other lines show its output.

A supervisor runs meanwhile, `FCS_DATABASE` names its database, and what is run must exit with 0.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.parts.stage import recipe_for, supervising, working

from fcs import App
from fcs.worker.children.environment import clean

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]

BLOCK = re.compile(r"^<!-- run -->\n```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^<!-- run", re.MULTILINE)
NAME = re.compile(r"# (\w+\.py)\n")


class Block(NamedTuple):
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text("utf-8"))]


def test_every_mark_is_followed_by_a_block() -> None:
    for page in PAGES:
        assert len(MARK.findall(page.read_text("utf-8"))) == len(blocks_of(page)), page.name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_runs(example: Path, database_url: str) -> None:
    async with serving(database_url, [example]):
        output = await run([sys.executable, str(example)], example.parent, database_url)
    assert output


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks_of(page)], ids=lambda page: page.stem
)
async def test_what_a_page_shows_runs(page: Path, database_url: str, tmp_path: Path) -> None:
    command_line = tmp_path / "fcs"
    command_line.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fcs "$@"\n')
    command_line.chmod(0o755)

    blocks = blocks_of(page)
    files = {block: write(block, number, tmp_path) for number, block in enumerate(blocks)}
    apps = [files[block] for block in blocks if "App(" in block.text and files[block]]
    async with serving(database_url, [path for path in apps if path]):
        for block in blocks:
            if path := files[block]:
                await run([sys.executable, str(path)], tmp_path, database_url)
            for command in block.commands:
                await run(["sh", "-c", command], tmp_path, database_url)


def write(block: Block, number: int, folder: Path) -> Path | None:
    if block.language != "python":
        return None
    named = NAME.match(block.text)
    path = folder / (named[1] if named else f"block_{number}.py")
    path.write_text(block.text, "utf-8")
    return path


@asynccontextmanager
async def serving(database_url: str, files: list[Path]) -> AsyncIterator[None]:
    """A supervisor, and a worker for each file's app, for as long as the block runs."""
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(supervising(database_url))
        for path in files:
            app = load(path)
            folder = os.pathsep.join([str(path.parent), os.environ.get("PYTHONPATH", "")])
            environment = clean(os.environ, []) | {"PYTHONPATH": folder}
            recipe = recipe_for(f"{path.stem}:app", environment=environment)
            await parts.enter_async_context(working(database_url, app.registry, recipe=recipe))
        yield


def load(path: Path) -> App:
    spec = spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.app, App)
    return module.app


async def run(command: list[str], folder: Path, database_url: str) -> str:
    """Run a program to its end; return what it printed."""
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment: Mapping[str, str] = os.environ | {"FCS_DATABASE": database_url, "PATH": path}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    output = printed.decode()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    return output
