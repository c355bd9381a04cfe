"""`fcs prune`: delete final tasks now that a supervisor would delete in time, or sooner."""

import os

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import stretch


@click.command("prune")
@click.option(
    "--older-than",
    type=stretch,
    metavar="TIME",
    help="Those that ended so long ago (12h, 7d); else as long ago as the settings say.",
)
@click.option(
    "--status",
    "statuses",
    type=click.Choice(["succeeded", "failed", "interrupted", "cancelled"]),
    multiple=True,
    help="Only those of this status, as often as needed.",
)
@click.option("--dry-run", is_flag=True, help="Only count them.")
@common_options
@click.pass_obj
def command(
    common: Common, older_than: float | None, statuses: tuple[str, ...], dry_run: bool
) -> None:
    """Delete final tasks that are past their time, and give their space back.

    A supervisor does it by itself, by FCS_KEEP_SUCCEEDED, FCS_KEEP_FAILED, FCS_KEEP_INTERRUPTED
    and FCS_KEEP_CANCELLED. Tasks that are not final are never touched.
    """
    from fcs.cli.database import ask
    from fcs.cli.output import columns, emit
    from fcs.cli.pruning import Order, carry_out
    from fcs.cli.settings import read_settings
    from fcs.domain.task import Status

    keep = read_settings(os.environ).keep
    wanted = [Status(status) for status in statuses] or list(keep)
    order = Order.of(keep, wanted, older_than=older_than, dry_run=dry_run)
    result = ask(common, lambda db: carry_out(common, db, order))
    emit(
        common,
        {"dry_run": dry_run, **result._asdict()},
        lambda: columns(
            ["STATUS", "RIPE" if dry_run else "PRUNED"],
            [*result.tasks.items(), ("all", sum(result.tasks.values()))],
        ),
    )
