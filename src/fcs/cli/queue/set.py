"""`fcs queue set`: the limits of a queue."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from fcs.cli.common import Common, common_options
from fcs.cli.kinds import count_or_none, queue, rate_or_none

F = TypeVar("F", bound=Callable[..., Any])


def _limit_options(command: F) -> F:
    for prefix, whose in (("key-", "of one limit key "), ("", "")):
        for name, kind, metavar, words in (
            ("burst", count_or_none, "N", "How many {}may start together after a while."),
            ("rate", rate_or_none, "RATE", "How many {}may start: 50/s, 10/m, 100/h, 5/d."),
            ("running-max", count_or_none, "N", "How many {}may run at once."),
        ):
            option = click.option(
                f"--{prefix}{name}", type=kind, metavar=metavar, help=words.format(whose)
            )
            command = option(command)
    return command


@click.command("set")
@click.argument("name", type=queue)
@_limit_options
@common_options
@click.pass_obj
def command(common: Common, /, name: str, **given: Any) -> None:
    """Change the limits of a queue; those that are not given stay. `none` takes one away."""
    from fcs.cli.queue.acting import act
    from fcs.cli.queue.form import lines
    from fcs.database import topology
    from fcs.domain.queues import check_limits

    asked = {limit: value for limit, value in given.items() if value is not None}
    if not asked:
        raise click.UsageError("Say which limit to change, such as --running-max 3 or --rate 50/s.")
    changes = check_limits({k: None if value == "none" else value for k, value in asked.items()})
    act(common, name, lambda db, name: topology.set_limits(db, name, changes), lines)
