"""The program `fcs`: which verbs there are, and how a run of one ends."""

import os
import sys
from collections.abc import Sequence

import click

from fcs.cli.common import Common, give_common_options
from fcs.cli.errors import report
from fcs.cli.verbs import Verbs

VERBS = {
    "up": "Run everything on this machine, Postgres included.",
    "init": "Create the tables in a database, or upgrade them.",
    "supervise": "Run a supervisor, which hands tasks to workers.",
    "work": "Run a worker, which runs tasks and may answer HTTP.",
    "task": "Create tasks, look at them, wait for them.",
    "schedule": "Create tasks again and again, by the rules of cron.",
    "why": "Say why a task is not running, and what would change that.",
    "queue": "Pause and limit queues.",
    "mode": "Show or change who hands out the tasks.",
    "status": "Show the cluster at a glance, and what is wrong with it.",
    "workers": "List the workers.",
    "queues": "List the queues.",
    "prune": "Delete final tasks that are past their time.",
    "schedules": "List the schedules.",
    "adopt": "Go on with a database that is on hold: a copy, or a promoted standby.",
    "doctor": "Check that a database is fit for fcs.",
    "bench": "Measure what this machine and this Postgres can do.",
}

# Set by a shell that asks what could come next (see click's "Shell Completion").
_COMPLETE = "_FCS_COMPLETE"

_HELP = """Free Churro Scheduler: a task queue on Postgres.

Start with `fcs up`: it brings a Postgres of its own. With a Postgres of yours: `fcs init`, one
`fcs supervise`, and as many `fcs work` as you like, each with --database URL.

\b
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 schema missing or not ready,
4 not found, 5 conflict, 69 database unreachable, 75 timeout, 130 interrupted.
"""


def _show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from fcs import __version__
        from fcs.database.migrate import schema_version

        python = sys.version.split()[0]
        click.echo(f"fcs {__version__} (schema {schema_version()}, Python {python})")
        ctx.exit()


program = Verbs("fcs", package="fcs.cli", lines=VERBS, help=_HELP)
give_common_options(program)
program.params.append(
    click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the versions of fcs, its schema and Python.",
    )
)


def run(args: Sequence[str]) -> int:
    """Run one command line; return the exit code."""
    common = Common()
    if asked := os.environ.get(_COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(program, {"obj": common}, "fcs", _COMPLETE, asked)
    try:
        # Not by click's `main`, which has its own opinion of signals and broken pipes.
        with program.make_context("fcs", list(args), obj=common) as context:
            code = program.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except BaseException as error:  # noqa: BLE001 - whatever ends a run, its code says what
        return report(error, common)
    return int(code or 0)
