"""Which tasks a verb acts on: those named by their ids, or all that match."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from fcs.cli.kinds import queue, timed
from fcs.cli.task.list import STATUSES

F = TypeVar("F", bound=Callable[..., Any])


class Choice(NamedTuple):
    """What was asked for on the command line; `older_than` is in seconds."""

    ids: Sequence[str]
    status: str | None
    ty: str | None
    queue: str | None
    older_than: float | None
    dry_run: bool
    yes: bool


def choice_options(command: F) -> F:
    """Add the options; they become the fields of a `Choice`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: list[Callable[[Any], Any]] = [
    click.argument("ids", nargs=-1, metavar="[ID]..."),
    click.option("--status", type=click.Choice(STATUSES), help="All tasks in this status."),
    click.option("--type", "ty", metavar="TYPE", help="All tasks of this type."),
    click.option("--queue", type=queue, metavar="NAME", help="All tasks in this queue."),
    click.option(
        "--older-than", type=timed, metavar="TIME", help="All tasks created so long ago (1h, 7d)."
    ),
    click.option("--dry-run", is_flag=True, help="Only count them."),
    click.option("-y", "--yes", is_flag=True, help="Do it, also to more than one that matches."),
]
