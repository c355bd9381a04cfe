"""`fcs bench`: what this Postgres could do, and what fcs makes of it, from one run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fcs.cli.common import Common, common_options

if TYPE_CHECKING:
    from fcs.node.bench.run import Result, Watch

PARTS = 100


@click.command("bench")
@click.argument("only", nargs=-1, metavar="[raw|drain|mixed|enqueue|latency|retention]...")
@click.option("--tasks", default=100_000, show_default=True, type=click.IntRange(1_000))
@click.option("--slots", default=4_000, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 50))
@common_options
@click.pass_obj
def command(
    common: Common, only: tuple[str, ...], tasks: int, slots: int, workers: int, rounds: int
) -> None:
    """Measure this machine and this Postgres; everything, or only what is named.

    With --database the measures are taken in scratch databases beside the one named, which
    are removed afterwards; without it fcs brings a Postgres. FCS_DATABASE does not count here,
    so that nobody measures a busy server by accident. Compare the ratios, not the figures:
    those change with the weather on the machine. What looks slow is named, with what would help.
    """
    from fcs.cli.database import run_async
    from fcs.cli.output import emit
    from fcs.node.bench.run import MEASURES, BenchOptions, run

    for name in only:
        if name not in MEASURES:
            raise click.UsageError(f"There is no measure {name!r}; choose {', '.join(MEASURES)}.")

    options = BenchOptions(only=only, tasks=tasks, slots=slots, workers=workers, rounds=rounds)
    with _watching(common) as watch:
        result = run_async(run(common.database, options, watch))
    document = {
        "figures": [figure._asdict() for figure in result.figures],
        "remarks": result.remarks,
    }
    emit(common, document, lambda: _table(result))


def _table(result: "Result") -> str:
    return "\n".join(
        [
            "| Measure | Median | Ratio |",
            "|---|---|---|",
            *(
                f"| {figure.name} | {figure.value:,.{0 if figure.unit == '/s' else 1}f}"
                f" {figure.unit} | {_ratio(figure.ratio, figure.of)} |"
                for figure in result.figures
            ),
            *(["", *(f"- {remark}" for remark in result.remarks)] if result.remarks else []),
        ]
    )


def _ratio(ratio: float | None, of: str | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} of {of}"


@contextmanager
def _watching(common: Common) -> "Iterator[Watch]":
    """A bar on a terminal, lines elsewhere, and with --quiet nothing."""
    if common.quiet:
        yield Nobody()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        watch = OnTerminal()
        try:
            yield watch
        finally:
            watch.close()


class Nobody:
    """Does not look."""

    def steps(self, count: int) -> None: ...

    def step(self, what: str) -> None: ...

    def done(self, count: int, of: int) -> None: ...


class Lines(Nobody):
    """Says what begins."""

    def step(self, what: str) -> None:
        click.echo(what, err=True)


class OnTerminal:
    """One bar for the whole run, each step of it in a hundred parts."""

    def __init__(self) -> None:
        self._begun = 0
        self._bar = click.progressbar(
            length=PARTS, file=sys.stderr, item_show_func=lambda what: what
        )

    def steps(self, count: int) -> None:
        self._bar.length = count * PARTS
        self._bar.render_progress()

    def step(self, what: str) -> None:
        self._begun += 1
        self._move_to((self._begun - 1) * PARTS, what)

    def done(self, count: int, of: int) -> None:
        self._move_to((self._begun - 1) * PARTS + PARTS * count // of, self._bar.current_item)

    @property
    def position(self) -> int:
        """So many parts are done."""
        return self._bar.pos

    def close(self) -> None:
        self._bar.render_finish()

    def _move_to(self, position: int, what: str | None) -> None:
        self._bar.update(position - self._bar.pos, what)
