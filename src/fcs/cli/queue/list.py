"""`fcs queue list`: the queues, what waits in them, their limits and pauses."""

import click

from fcs.cli.common import Common, common_options


@click.command("list")
@common_options
@click.pass_obj
def command(common: Common) -> None:
    """List the queues: with limits, with tasks that wait, or with workers of their own."""
    show_list(common)


def show_list(common: Common) -> None:
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.queue.form import table
    from fcs.database import queues
    from fcs.database.connect import Connection

    async def look(db: Connection) -> list[queues.QueueView]:
        return await queues.look(db, await queues.names(db))

    found = ask(common, look)
    emit(common, found, lambda: table(found))
