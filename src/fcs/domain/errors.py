"""What can go wrong, as a user meets it: what happened, to which id, and what to do."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class FcsError(Exception):
    """The parent of all errors of fcs.

    `code` names the kind of error for programs; `hint` tells a person what to do next.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            # Whoever sees only the traceback is told what to do as well.
            self.add_note(f"hint: {hint}")


class Problem(NamedTuple):
    """One thing that is wrong with an input, and the JSON pointer of its place."""

    pointer: str
    message: str


class InvalidInput(FcsError):
    """The caller asked for something that cannot be; `problems` names each place."""

    code = "validation_failed"

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = list(problems)


class InvalidArguments(InvalidInput):
    """The arguments do not fit the signature of the task's function."""


class InvalidJson(InvalidInput):
    """The text is not JSON that every reader and Postgres would read alike."""

    code = "invalid_json"


class UnknownType(InvalidInput):
    """No function is registered under that type."""

    code = "unknown_type"


class PayloadTooLarge(FcsError):
    """The arguments or the body are larger than the limit."""

    code = "too_large"


class InvalidSettings(FcsError):
    """A setting, or the relation between two settings, makes no sense."""

    code = "invalid_settings"


class TaskNotFound(FcsError):
    """There is no task with that id (any more)."""

    code = "not_found"


class WrongStatus(FcsError):
    """The task's present status does not allow the act."""

    code = "wrong_status"


class NeedsNotFound(InvalidInput):
    """A task was to wait for another one that is not there."""

    code = "needs_not_found"


class TaskNeeded(FcsError):
    """Other tasks wait for the end of that one, or have yet to hear of it."""

    code = "task_needed"


class KeyReused(FcsError):
    """The idempotency key was used before, for something else."""

    code = "key_reused"


class KeyInFlight(FcsError):
    """The first request with the same idempotency key has not been answered yet."""

    code = "key_in_flight"


class TaskFailed(FcsError):
    """The task that was waited for ended without success.

    `error_type` and `trace` are what the worker recorded of its last run: the name of the
    exception's class, and the traceback as text.
    """

    code = "task_failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        error_type: str | None = None,
        trace: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.error_type = error_type
        self.trace = trace
        if trace:
            self.add_note(f"in the worker:\n{trace}")


class TaskCancelled(TaskFailed):
    """The task that was waited for was cancelled."""

    code = "task_cancelled"


class WaitTimeout(FcsError):
    """The task was not final when the time to wait was over."""

    code = "wait_timeout"


class ScheduleNotFound(FcsError):
    """There is no schedule of that name (any more)."""

    code = "not_found"


class ScheduleExists(FcsError):
    """There is a schedule of that name, and it says something else."""

    code = "schedule_exists"


class DeclaredInCode(FcsError):
    """The code of the workers says what the schedule says; nobody else may."""

    code = "declared_in_code"


class WorkerIdTaken(FcsError):
    """Another live process works under the same worker id."""

    code = "worker_id_taken"


class Fenced(FcsError):
    """This process was declared lost, or another one took over its id."""

    code = "fenced"


class LeadershipLost(FcsError):
    """Somebody else may lead by now."""

    code = "leadership_lost"


class LimitsNeedLeader(FcsError):
    """In mode hash nobody leads, and so nobody keeps the limits of queues."""

    code = "limits_need_leader"


class DatabaseUnavailable(FcsError):
    """Postgres could not be reached, or went away."""

    code = "database_unavailable"


class InDoubt(DatabaseUnavailable):
    """It went away with something that was sent and not answered: that may have been done."""


class OnHold(FcsError):
    """The database may be a copy, or have forgotten something: nothing is handed out or begun."""

    code = "on_hold"

    def __init__(self, message: str = "nothing begins on this database for now") -> None:
        super().__init__(message, hint="`fcs status` says why, and what to do.")


class SchemaOutdated(FcsError):
    """The database lacks fcs's tables, or has an older version of them."""

    code = "schema_outdated"


class SchemaNewer(FcsError):
    """The database was upgraded by a newer fcs."""

    code = "schema_newer"


class MigrationChanged(FcsError):
    """A migration that was applied differs from the file of this fcs."""

    code = "migration_changed"


def first_of(error: BaseException) -> BaseException:
    """The first of the errors that a group holds: what a person should be told."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
