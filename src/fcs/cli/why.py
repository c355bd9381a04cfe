"""`fcs why`: why a task is not running, and what would change that."""

import click

from fcs.cli.common import Common, common_options


@click.command("why")
@click.argument("id")
@common_options
@click.pass_obj
def command(common: Common, id: str) -> None:
    """Say in one sentence why a task is not running, and what would change that.

    The ID may be shortened to what no other task's begins with.
    """
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.task.ids import missing, resolve
    from fcs.cli.text import printable
    from fcs.database.connect import Connection
    from fcs.database.explaining import explain_task
    from fcs.domain.why import Why

    async def explain(db: Connection) -> Why:
        found = await explain_task(db, await resolve(db, id))
        if found is None:  # deleted in between
            raise missing(id)
        return found

    why = ask(common, explain)

    def sentences() -> str:
        also = [f"also:   {printable(other.cause)}" for other in why.also]
        return "\n".join([printable(why.cause), f"remedy: {printable(why.remedy)}", *also])

    emit(common, why, sentences)
