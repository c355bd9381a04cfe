"""`fcs task delete`: a task that is not running, gone."""

import click

from fcs.cli.common import Common, common_options


@click.command("delete")
@click.argument("id")
@common_options
@click.pass_obj
def command(common: Common, id: str) -> None:
    """Delete a task that is not running."""
    from fcs.cli.database import ask
    from fcs.cli.output import emit
    from fcs.cli.task.ids import missing, resolve
    from fcs.database import tasks
    from fcs.database.connect import Connection
    from fcs.domain.errors import WrongStatus
    from fcs.domain.ids import TaskId
    from fcs.domain.task import Status

    async def delete(db: Connection) -> TaskId:
        task_id = await resolve(db, id)
        found = (await tasks.delete(db, [task_id])).get(task_id)
        if found is None:
            raise missing(task_id)
        if found is Status.RUNNING:
            raise WrongStatus(
                f"task {task_id} is running; only tasks that are not can be deleted",
                hint=f"Cancel it first:  fcs task cancel {task_id}",
            )
        return task_id

    deleted = ask(common, delete)
    emit(common, {"id": deleted, "deleted": True}, lambda: f"deleted {deleted}")
