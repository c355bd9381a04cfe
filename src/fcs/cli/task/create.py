"""`fcs task create`: a new task."""

from typing import Any

import click

from fcs.cli.common import Common, common_options
from fcs.cli.task.options import Wish, wish_options


@click.command("create")
@wish_options
@common_options
@click.pass_obj
def command(common: Common, /, **wish: Any) -> None:
    """Create a task and print its id.

    The arguments are checked if --app knows the type. `fcs task create foo --in 5m`
    """
    from fcs.cli.output import emit
    from fcs.cli.task.creation import create

    id = create(common, Wish(**wish))
    emit(common, {"id": id}, lambda: str(id))
