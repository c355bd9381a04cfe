"""Draws the life of a task into ARCHITECTURE.md, from the table of moves in the code."""

import re
from collections.abc import Iterable
from pathlib import Path

from fcs.domain.task import MOVES, Move

PAGE = Path(__file__).parents[1] / "ARCHITECTURE.md"
BLOCK = re.compile(r"(?<=<!-- states:begin -->\n).*?(?=<!-- states:end -->)", re.DOTALL)


def mermaid(moves: Iterable[Move]) -> str:
    """A state diagram: an arrow for each change, which says by what and by whom."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in moves:
        arrow = str(move.before or "[*]"), str(move.after or "[*]")
        arrows.setdefault(arrow, []).append(f"{move.name} ({move.actor})")
    lines = [
        f"    {before} --> {after}: {' / '.join(labels)}"
        for (before, after), labels in arrows.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


if __name__ == "__main__":
    page, drawn = BLOCK.subn(mermaid(MOVES), PAGE.read_text("utf-8"))
    assert drawn == 1, (
        f"{PAGE.name} must have the lines <!-- states:begin --> and <!-- states:end -->"
    )
    PAGE.write_text(page, "utf-8")
