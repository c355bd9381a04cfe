"""How a run ends that did not go well: two lines on stderr, and an exit code that tells which."""

import os
import sys
import traceback
from typing import Final

import click

from fcs.cli.common import Common
from fcs.cli.text import printable
from fcs.domain.errors import FcsError, first_of

FAILED: Final = 1
WRONG_USAGE: Final = 2
NOT_READY: Final = 3
NOT_FOUND: Final = 4
CONFLICT: Final = 5
UNREACHABLE: Final = 69
TIMEOUT: Final = 75
INTERRUPTED: Final = 130

# By the code of the error's class, so that nobody has to import them all.
EXIT_CODES: Final = {
    "error": FAILED,
    "bench_failed": FAILED,
    "task_failed": FAILED,
    "task_cancelled": FAILED,
    "no_run": FAILED,
    "validation_failed": WRONG_USAGE,
    "invalid_json": WRONG_USAGE,
    "invalid_settings": WRONG_USAGE,
    "gave_up": WRONG_USAGE,
    "invalid_task_type": WRONG_USAGE,
    "invalid_surroundings": WRONG_USAGE,
    "unknown_type": WRONG_USAGE,
    "too_large": WRONG_USAGE,
    "app_not_loaded": WRONG_USAGE,
    "child_not_started": WRONG_USAGE,
    "child_taken_away": FAILED,
    "listen_refused": WRONG_USAGE,
    "unusable_folder": WRONG_USAGE,
    "schema_outdated": NOT_READY,
    "schema_newer": NOT_READY,
    "migration_changed": NOT_READY,
    "on_hold": NOT_READY,
    "not_found": NOT_FOUND,
    "wrong_status": CONFLICT,
    "needs_not_found": NOT_FOUND,
    "task_needed": CONFLICT,
    "key_reused": CONFLICT,
    "key_in_flight": CONFLICT,
    "schedule_exists": CONFLICT,
    "declared_in_code": CONFLICT,
    "worker_id_taken": CONFLICT,
    "fenced": CONFLICT,
    "leadership_lost": CONFLICT,
    "limits_need_leader": CONFLICT,
    "already_running": CONFLICT,
    "database_unavailable": UNREACHABLE,
    "no_postgres": UNREACHABLE,
    "postgres_failed": UNREACHABLE,
    "wait_timeout": TIMEOUT,
}

_TRACEBACK_HINT = "-v shows where it comes from."


def report(error: BaseException, common: Common) -> int:
    """Say what went wrong and what to do about it; return the exit code."""
    error = first_of(error)
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, BrokenPipeError):
        # Whoever read our output had enough of it. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED

    if common.verbose:
        sys.stderr.write("".join(traceback.format_exception(error)))
    message, hint, code = _explain(error)
    complain(message, hint)
    return code


def complain(message: str, hint: str) -> None:
    """Write the two lines."""
    sys.stderr.write(f"error: {_line(message)}\nhint:  {_line(hint)}\n")
    sys.stderr.flush()


def _explain(error: BaseException) -> tuple[str, str, int]:
    if isinstance(error, FcsError):
        return str(error), error.hint or _TRACEBACK_HINT, EXIT_CODES.get(error.code, FAILED)
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "fcs"
        return error.format_message(), f"See:  {path} --help", WRONG_USAGE
    if isinstance(error, click.ClickException):
        return error.format_message(), _TRACEBACK_HINT, FAILED
    return _explain_stranger(error)


def _explain_stranger(error: BaseException) -> tuple[str, str, int]:
    """What Postgres or the system said, or a fault of fcs."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, Exception) and "psycopg" in sys.modules:
        from fcs.database.line import is_passing

        if is_passing(error):
            return f"the database went away: {error}", "Try again.", UNREACHABLE
        if type(error).__module__.startswith("psycopg"):
            return f"the database refused: {said}", _TRACEBACK_HINT, FAILED
    if isinstance(error, OSError):
        return str(error), _TRACEBACK_HINT, FAILED
    return f"a fault of fcs: {said}", f"{_TRACEBACK_HINT} Please report it.", FAILED


def _line(text: str) -> str:
    return printable(" ".join(text.split()))
