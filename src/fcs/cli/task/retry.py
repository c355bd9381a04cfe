"""`fcs task retry`: ended tasks, once more."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.task.choice import Choice, choice_options


@click.command("retry")
@choice_options
@common_options
@click.pass_obj
def command(common: Common, /, **choice: Any) -> None:
    """Create ended tasks anew, each as a new task, and print the new ids.

    Which tasks: named by ID, or all that match. `fcs task retry --status failed --dry-run`
    """
    from fcs.cli.task.acting import act
    from fcs.domain.bulk import Action

    act(common, Action.RETRY, Choice(**choice))
