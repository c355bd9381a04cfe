"""One run of a body, as it came out."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import msgspec

from fcs.body import Context
from fcs.body.context import Progress
from fcs.domain.errors import TaskFailed
from fcs.domain.ids import TaskId
from fcs.domain.outcome import Failed, Outcome, Succeeded
from fcs.registry import TaskType

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Ran(Generic[T_co]):
    """What ran, and how it ended. `args` is what JSON made of the arguments.

    `outcome` is one of `Succeeded`, `Failed`, `Snoozed`, `Stopped` and `Interrupted` of
    `fcs.domain.outcome`. A body that raises `Retry` has failed and may run again.
    """

    id: TaskId
    ty: str
    args: dict[str, Any]
    attempt: int
    outcome: Outcome
    logs: str | None = field(repr=False)
    progress: Progress | None = field(repr=False)
    _type: TaskType = field(repr=False)

    @property
    def succeeded(self) -> bool:
        return isinstance(self.outcome, Succeeded)

    @property
    def result(self) -> T_co:
        """What the function returned, through JSON and back.

        Raises `TaskFailed`, with the body's traceback, if it did not return.
        """
        if isinstance(self.outcome, Succeeded):
            return cast(T_co, self._type.read_result(self.outcome.result))
        raise self._failure()

    def _failure(self) -> TaskFailed:
        error = f"{self.ty} did not succeed: {self.outcome}"
        if not isinstance(self.outcome, Failed):
            return TaskFailed(error)
        failed = TaskFailed(f"{self.ty} failed: {self.outcome.error}")
        failed.add_note(f"in the body:\n{self.outcome.trace}")
        return failed


def ran(
    context: Context,
    task_type: TaskType,
    args: bytes | str,
    outcome: Outcome,
    progress: Progress | None = None,
) -> Ran[Any]:
    """The record of a run that has ended."""
    return Ran(
        id=context.id,
        ty=task_type.name,
        args=msgspec.json.decode(args),
        attempt=context.attempt,
        outcome=outcome,
        logs=context.kept(),
        progress=progress,
        _type=task_type,
    )
