"""`fcs schedules`: the same as `fcs schedule list`."""

import click

from fcs.cli.common import Common, common_options


@click.command("schedules")
@common_options
@click.pass_obj
def command(common: Common) -> None:
    """List the schedules, by name."""
    from fcs.cli.schedule.list import show_list

    show_list(common, 1_000)
