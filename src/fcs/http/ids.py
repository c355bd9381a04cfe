"""The task that a path names."""

from uuid import UUID

from starlette.requests import Request

from fcs.domain.errors import TaskNotFound
from fcs.domain.ids import TaskId


def id_of(request: Request) -> TaskId:
    """The id in the path; what cannot be one is as little there as any other stranger."""
    text = request.path_params["id"]
    try:
        if len(text) != 36:
            raise ValueError
        return TaskId(UUID(text))
    except ValueError:
        raise missing(text[:100]) from None


def missing(id: TaskId | str) -> TaskNotFound:
    return TaskNotFound(
        f"There is no task {id}.", hint="It may have been deleted. GET /tasks lists what is there."
    )
