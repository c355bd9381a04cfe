"""The table that shows fcs and its peers side by side."""

from collections.abc import Mapping, Sequence

from bench.bar import Figure
from bench.peers import PEERS

ROWS = (
    ("drain of what waits, one worker process", "drain"),
    ("create one by one", "enqueue"),
    ("create, 32 callers", "enqueue by 32"),
    ("create 10,000 by one call", "enqueue_many"),
    ("create to the body's first line, idle, p50", "create to body, p50"),
    ("the same, p99", "create to body, p99"),
)

KEEPS = "the task, each attempt, its error and log lines, for as long as the settings say"
PROMISES = "at most once: what began never begins again, unless you asked for attempts"
SETTINGS = "one supervisor; one worker of 4,000 slots to drain, of 8 when idle"


def comparison(figures: Mapping[str, Figure]) -> list[str]:
    """Lines of Markdown; none when no peer was measured."""
    if not any(f"{name}, {peer.name}" in figures for _, name in ROWS for peer in PEERS):
        return []
    who = ["fcs", *(peer.name for peer in PEERS)]
    measured = [[what, *(_shown(figures, f"{name}, {by}") for by in who)] for what, name in ROWS]
    told = [
        ["keeps", KEEPS, *(peer.keeps for peer in PEERS)],
        ["starts a body", PROMISES, *(peer.promises for peer in PEERS)],
        ["settings", SETTINGS, *(peer.settings for peer in PEERS)],
    ]
    heads = ["", "fcs", *(f"{peer.name} {peer.version}" for peer in PEERS)]
    return [_line(heads), _line(["---"] * len(heads)), *map(_line, [*measured, *told])]


def _shown(figures: Mapping[str, Figure], name: str) -> str:
    figure = figures.get(name)
    if figure is None:
        return "not measured"
    digits = 0 if figure.value >= 100 else 1
    return f"{figure.value:,.{digits}f} {figure.unit}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
