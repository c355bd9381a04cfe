"""`fcs up`: everything on this machine."""

import os
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import click

from fcs.cli.common import Common, output_options
from fcs.cli.kinds import address, app_place
from fcs.cli.settings import SPARE_DATA, default_data


@click.command("up")
@click.option(
    "--app",
    "place",
    type=app_place,
    metavar="MODULE:APP",
    envvar="FCS_APP",
    show_envvar=True,
    default="fcs.demo:app",
    show_default=True,
    help="The application whose tasks to run.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    envvar="FCS_WORKERS",
    show_envvar=True,
    default=1,
    show_default=True,
    help="How many worker processes.",
)
@click.option(
    "--slots",
    type=click.IntRange(1, 10_000),
    envvar="FCS_SLOTS",
    show_envvar=True,
    default=8,
    show_default=True,
    help="How many tasks each runs at once.",
)
@click.option(
    "--listen",
    type=address,
    metavar="HOST:PORT",
    envvar="FCS_LISTEN",
    show_envvar=True,
    default="127.0.0.1:5000",
    show_default=True,
    help="Where HTTP answers; a port that is taken makes way for the next free one.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="FCS_DATA",
    show_envvar=True,
    help="The folder of the data; else one in your home, or where that cannot be, /var/lib/fcs.",
)
@click.option(
    "--pg-bin",
    type=click.Path(path_type=Path),
    envvar="FCS_PG_BIN",
    show_envvar=True,
    help="The folder of Postgres' programs; else those that came along, or the system's.",
)
@output_options
@click.pass_obj
def command(
    common: Common,
    place: str,
    workers: int,
    slots: int,
    listen: tuple[str, int],
    data: Path | None,
    pg_bin: Path | None,
) -> None:
    """Run everything on this machine, with a Postgres of its own.

    For trying out and for development. The data stay when it stops.
    """
    _refuse_foreign(common, listen[0])

    from fcs.cli.banner import Terminal
    from fcs.embedded import choose_folder
    from fcs.node.up import Plan, up

    terminal = Terminal(common)
    plan = Plan(
        data=data or choose_folder(default_data(os.environ), SPARE_DATA),
        pg_bin=pg_bin,
        listen=listen,
        workers=workers,
        work_options=["--app", place, "--slots", str(slots), *_talk_options(common)],
        environment=terminal.environment(os.environ),
    )
    with closing(terminal):
        up(plan, terminal.talk())


def _refuse_foreign(common: Common, host: str) -> None:
    if common.database:
        raise click.UsageError(
            "`fcs up` brings a database of its own; with yours: fcs init, fcs supervise, fcs work."
        )
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise click.UsageError(
            f"`fcs up` listens on this machine alone, not on {host}: see `fcs work --token-file`."
        )


def _talk_options(common: Common) -> list[str]:
    given = {"-v": common.verbose, "-q": common.quiet, "--no-color": common.no_color}
    return [option for option, is_given in given.items() if is_given]
