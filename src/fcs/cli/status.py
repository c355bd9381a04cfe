"""`fcs status`: the cluster at a glance, and its problems in words."""

import os

import click

from fcs.cli.common import Common, common_options


@click.command("status")
@common_options
@click.pass_obj
def command(common: Common) -> None:
    """Show the cluster at a glance, and what is wrong with it."""
    from fcs.cli.database import ask
    from fcs.cli.glance import document, look, show
    from fcs.cli.output import emit
    from fcs.cli.settings import read_settings

    lease = read_settings(os.environ).lease
    glance = ask(common, lambda db: look(db, lease=lease))
    emit(common, document(glance), lambda: show(common, glance))
