"""`fcs task delete`: tasks that are not running, gone."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.task.choice import Choice, choice_options


@click.command("delete")
@choice_options
@common_options
@click.pass_obj
def command(common: Common, /, **choice: Any) -> None:
    """Delete tasks that are not running.

    Which tasks: named by ID, or all that match. `fcs task delete --status failed --older-than 7d`
    """
    from fcs.cli.task.acting import act
    from fcs.domain.bulk import Action

    act(common, Action.DELETE, Choice(**choice))
