"""`fcs adopt`: go on with a database that may have forgotten something."""

import os

import click

from fcs.cli.common import Common, common_options


@click.command("adopt")
@click.option("--dry-run", is_flag=True, help="Only show what is not known.")
@common_options
@click.pass_obj
def command(common: Common, dry_run: bool) -> None:
    """Go on with a database that is on hold: a copy, or a promoted standby.

    It may have forgotten what was begun last. Workers that are there tell what they had begun; what
    was handed to others and may have begun is interrupted, not run again.
    """
    from fcs.cli.adopting import document, show, waiting
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.settings import read_settings
    from fcs.database import adoption
    from fcs.database.adoption import Adoption
    from fcs.database.connect import Connection

    patience = 2 * read_settings(os.environ).lease

    async def adopt(db: Connection) -> Adoption | None:
        if dry_run:
            return await adoption.examine(db)
        return await adoption.adopt(db, patience=patience, wait=waiting(common))

    found = ask(common, adopt)
    emit(common, document(found), lambda: show(found))
