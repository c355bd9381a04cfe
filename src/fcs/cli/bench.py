"""`fcs bench`: what this Postgres could do, and what fcs makes of it, from one run."""

import click

from fcs.cli.common import Common, common_options


@click.command("bench")
@click.argument("only", nargs=-1, metavar="[raw|drain|enqueue|latency|retention]...")
@click.option("--tasks", default=100_000, show_default=True, type=click.IntRange(1_000))
@click.option("--slots", default=2_000, show_default=True, type=click.IntRange(1, 10_000))
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
    those change with the weather on the machine.
    """
    from fcs.cli.database import run_async
    from fcs.cli.output import emit
    from fcs.node.bench.run import MEASURES, BenchOptions, run

    for name in only:
        if name not in MEASURES:
            raise click.UsageError(f"There is no measure {name!r}; choose {', '.join(MEASURES)}.")

    def say(line: str) -> None:
        if not common.quiet:
            click.echo(line, err=True)

    options = BenchOptions(only=only, tasks=tasks, slots=slots, workers=workers, rounds=rounds)
    figures = run_async(run(common.database, options, say))
    emit(
        common,
        [figure._asdict() for figure in figures],
        lambda: "\n".join(
            [
                "| Measure | Median | Ratio |",
                "|---|---|---|",
                *(
                    f"| {figure.name} | {figure.value:,.{0 if figure.unit == '/s' else 1}f}"
                    f" {figure.unit} | {_ratio(figure.ratio, figure.of)} |"
                    for figure in figures
                ),
            ]
        ),
    )


def _ratio(ratio: float | None, of: str | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} of {of}"
