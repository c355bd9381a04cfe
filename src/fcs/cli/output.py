"""Writing: data to stdout as a table or as JSON, talk to stderr."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import msgspec

from fcs.cli.common import Common
from fcs.cli.text import printable


def emit(common: Common, document: Any, table: Callable[[], str]) -> None:
    """Write what was asked for: the document as JSON, or its `table`."""
    if common.output == "table":
        _write(table())
        return
    for text in as_json(common, document):
        _write(text)


def as_json(common: Common, document: Any) -> Iterator[str]:
    """The document as a whole, or of a list each part on a line of its own."""
    if common.output == "jsonl":
        for line in document if isinstance(document, list) else [document]:
            yield msgspec.json.encode(line).decode()
    else:
        yield msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def say(common: Common, text: str) -> None:
    """Talk: not data, and not said with --quiet."""
    if not common.quiet:
        sys.stderr.write(f"{text}\n")


def columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns; numbers to the right."""
    texts = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[no], int) for row in rows) for no in range(len(head))
    ]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [list(head), *texts]
    ]
    return "\n".join(lines)


def pairs(values: Sequence[tuple[str, object]]) -> str:
    """One thing a line, each with its name; what is empty is left out."""
    shown = [(name, _cell(value)) for name, value in values if value not in (None, "")]
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in shown)


def paint(common: Common, text: str, color: str) -> str:
    """Colour, where it would be seen and nobody minds."""
    if common.no_color or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return click.style(text, fg=color)


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value))


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
