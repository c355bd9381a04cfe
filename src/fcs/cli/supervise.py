"""`fcs supervise`: a supervisor."""

import os

import click

from fcs.cli.common import Common, common_options, direct_option
from fcs.cli.leaving import leave_on_sigterm


@click.command("supervise")
@direct_option
@common_options
@click.pass_obj
def command(common: Common, direct: str | None) -> int:
    """Run a supervisor, which hands tasks to workers.

    Several may run: one leads, and the others stand by to take its place. In mode hash all do.
    """
    leave_on_sigterm()

    from fcs.cli.serving import serve
    from fcs.cli.settings import database_url, read_settings
    from fcs.node.supervise import supervise

    url, settings = database_url(common, os.environ), read_settings(os.environ)
    return serve(common, url, lambda stop: supervise(url, settings, stop, direct=direct))
