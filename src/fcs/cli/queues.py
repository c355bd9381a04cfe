"""`fcs queues`: the same as `fcs queue list`."""

import click

from fcs.cli.common import Common, common_options


@click.command("queues")
@common_options
@click.pass_obj
def command(common: Common) -> None:
    """List the queues: with limits, with tasks that wait, or with workers of their own."""
    from fcs.cli.queue.list import show_list

    show_list(common)
