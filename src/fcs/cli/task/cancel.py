"""`fcs task cancel`: the end of tasks that have not ended."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.task.choice import Choice, choice_options


@click.command("cancel")
@choice_options
@click.option("--reason", default="", metavar="TEXT", help="Why; it is shown with the task.")
@common_options
@click.pass_obj
def command(common: Common, /, reason: str, **choice: Any) -> None:
    """End tasks that have not begun, and ask those that run to end.

    Which tasks: named by ID, or all that match. `fcs task cancel --queue mail --dry-run`
    """
    from fcs.cli.task.acting import act
    from fcs.domain.bulk import Action

    act(common, Action.CANCEL, Choice(**choice), reason)
