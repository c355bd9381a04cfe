"""Waiting for a task from the command line: its end decides the exit code."""

import os

from fcs.cli.common import Common
from fcs.cli.database import run_async
from fcs.cli.output import emit
from fcs.cli.settings import database_url
from fcs.cli.task.form import full_document, lines
from fcs.cli.text import printable
from fcs.client.app import App
from fcs.domain.errors import TaskFailed
from fcs.domain.ids import TaskId
from fcs.domain.task import TaskView


def wait_and_show(common: Common, id: TaskId, timeout: float | None) -> None:
    """Wait for the end of a task, and show it whatever the end is.

    Raises `TaskFailed` when it ended without success, `WaitTimeout` when it has not ended.
    """
    task, failure = run_async(_wait(database_url(common, os.environ), id, timeout))
    emit(common, full_document(task), lambda: lines(task))
    if failure:
        raise failure


def wait_for_result(common: Common, id: TaskId, timeout: float | None) -> None:
    """The same, but what a success returned is all that is shown of it."""
    task, failure = run_async(_wait(database_url(common, os.environ), id, timeout))
    if failure or common.output != "table":
        emit(common, full_document(task), lambda: lines(task))
    elif task.result_text is not None:
        emit(common, None, lambda: printable(task.result_text or ""))
    if failure:
        raise failure


async def _wait(url: str, id: TaskId, timeout: float | None) -> tuple[TaskView, TaskFailed | None]:
    app = App(database=url)
    task = app.find(id)
    try:
        return await task.wait(timeout), None
    except TaskFailed as error:
        ended = await task.view()
        if ended.attempt:
            error.hint = error.hint or f"See its log and traceback:  fcs task attempts {id} -v"
        return ended, error
    finally:
        await app.close()
