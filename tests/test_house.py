"""The repository's own rules: what no tool knows, and nobody should have to remember."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from tools.diagram import BLOCK, PAGE, mermaid

from fcs.database.sql import load
from fcs.domain.task import MOVES, Move

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted((SOURCE / "fcs").rglob("*.py"))
ASIDE = sorted(path for top in ("proof", "bench") for path in (ROOT / top).rglob("*.py"))
QUERIES = sorted((SOURCE / "fcs" / "database" / "queries").glob("*.sql"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MOVING = ("tasks", "runs", "bulk", "creation", "retention", "settling", "identity")
STATEMENTS = {name: text for file in MOVING for name, text in load(file).items()}
LINES_MAX = 450
NOT_OURS = {"__pycache__", "build", "dist", "node_modules"}


def files() -> Iterator[Path]:
    """Everything that belongs to the repository and is text."""
    for top in ROOT.iterdir():
        if top.name.startswith(".") and top.name not in (".ci", ".github", ".gitignore"):
            continue
        for path in [top, *top.rglob("*")] if top.is_dir() else [top]:
            if path.is_file() and not NOT_OURS & set(path.parts):
                yield path


def name_of(module: Path) -> str:
    return ".".join(module.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Modules


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_every_module_says_what_it_is_for(module: Path) -> None:
    said = ast.get_docstring(ast.parse(module.read_text("utf-8")))

    assert said, f"{short(module)} has no docstring"
    assert said.split("\n\n")[0].endswith((".", ":", "?")), "a sentence, first of all"


@pytest.mark.parametrize("file", [*MODULES, *ASIDE, *QUERIES], ids=short)
def test_no_file_is_too_long_to_be_read_at_once(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("floor", ["domain", "body", "child", "testing"])
def test_the_map_names_every_file_of_a_floor(floor: str) -> None:
    _, _, section = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition(f"### `fcs.{floor}`")
    section = re.split(r"^##", section, flags=re.MULTILINE)[0]
    files = {path.name for path in (SOURCE / "fcs" / floor).glob("[!_]*.py")}

    assert set(re.findall(r"`(\w+\.py)`", section)) == files


def test_no_module_is_unreachable() -> None:
    """Whatever neither `import fcs`, nor `fcs.testing`, nor the command line leads to is dead."""
    every = {name_of(module): module for module in MODULES}
    reached: set[str] = set()
    ahead = ["fcs", "fcs.__main__", "fcs.testing", "fcs.testing.pytest_plugin"]
    while ahead:
        name = ahead.pop()
        if name in every and name not in reached:
            reached.add(name)
            ahead += mentioned(every[name])
            ahead.append(name.rpartition(".")[0])

    assert not set(every) - reached


def mentioned(module: Path) -> Iterator[str]:
    """What a module imports, or names in a text to import it later."""
    package = ".".join(module.relative_to(SOURCE).parent.parts)
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(str(home), names):
                yield home
                yield from (f"{home}.{alias.name}" for alias in names)
            case ast.Constant(str(text)):
                yield text.partition(":")[0]
                yield f"{package}.{text}"


# Statements


@pytest.mark.parametrize("queries", QUERIES, ids=lambda path: path.stem)
def test_every_statement_has_one_function_of_its_name_and_the_reverse(queries: Path) -> None:
    module = import_module(f"fcs.database.{queries.stem}")
    functions = {
        name.removesuffix("_sync")  # the same statement, without an event loop
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and next(iter(inspect.signature(function).parameters), "") == "db"
    }

    assert functions == set(load(queries.stem))


def test_the_statements_that_move_a_task_are_those_of_the_table() -> None:
    moves = re.compile(r"insert into fcs\.tasks|delete from fcs\.tasks|\bset\s+status = ")
    moving = {name for name, text in STATEMENTS.items() if moves.search(text)}

    assert moving == {move.statement for move in MOVES}


@pytest.mark.parametrize("move", MOVES, ids=lambda move: f"{move.name}-{move.before}")
def test_every_move_compares_what_the_table_says(move: Move) -> None:
    statement = re.sub(r"--.*", "", STATEMENTS[move.statement])

    for column in move.fence:
        assert re.search(rf"\b{column}\b", statement), column


def test_only_the_database_floor_writes_sql() -> None:
    speaks = re.compile(r"""["'\s](select|insert into|update|delete from)\s+.*\bfcs\.""", re.DOTALL)
    elsewhere = [
        short(module)
        for module in MODULES
        if "database" not in module.parts
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if speaks.search(f" {node.value.lower()}")
    ]
    assert not elsewhere


# Pages


def test_the_diagram_is_drawn_from_the_table_of_moves() -> None:
    drawn = BLOCK.search(PAGE.read_text("utf-8"))

    assert drawn, f"{PAGE.name} must have the lines <!-- states:begin --> and <!-- states:end -->"
    assert drawn[0] == mermaid(MOVES), "run: python tools/diagram.py"


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)

    broken = [target for target in targets if not leads_somewhere(page, target)]
    assert not broken


def leads_somewhere(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    path, _, anchor = target.partition("#")
    there = (page.parent / path) if path else page
    if not there.exists():
        return False
    return not anchor or anchor in anchors(there)


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings of a page."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    place = re.compile(r"(?<![\w.])/(?:work|root|Users/\w+|home/\w+)/\w")
    told = [
        f"{short(file)}: {line.strip()}"
        for file in files()
        for line in file.read_text("utf-8", errors="replace").splitlines()
        if place.search(line)
    ]
    assert not told


@pytest.mark.xdist_group("house")
def test_tests_of_a_group_are_carried_out_by_one_process(request: pytest.FixtureRequest) -> None:
    """Or each makes for itself what is dear to make, and nothing tells but the time it takes."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("all are carried out by one process")
    assert request.node.nodeid.endswith("@house")
