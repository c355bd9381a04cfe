"""What a body sees of its own run."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from math import isfinite, nan
from time import monotonic
from typing import Any, Final

import msgspec

from fcs.body.asks import Cancelled
from fcs.body.journal import Journal
from fcs.domain.errors import FcsError, InvalidInput
from fcs.domain.ids import RunId, TaskId
from fcs.domain.text import safe_text

GIVEN: Final[Any] = ...
"""A default for parameters that the worker fills in with a resource, so that a type checker lets
callers leave them out. Never used as a value."""

NOTE_MAX: Final = 500
"""Characters of a note of progress that are kept."""


class Ask(StrEnum):
    """Why a body is asked to end."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"


class NoRun(FcsError):
    """There is no run here: the code was not called by a worker."""

    code = "no_run"


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a body has come: `done` of `of`, and a word on it."""

    done: int | float
    of: int | float | None = None
    note: str = ""


class Context(msgspec.Struct, kw_only=True, eq=False):
    """One run, as its body sees it.

    `id` and `attempt` name the run; `timeout` is in seconds, `None` without one. All of it may
    be used from any thread. `on_progress` belongs to whoever runs the body.
    """

    id: TaskId
    run_id: RunId
    ty: str
    attempt: int = 1
    max_attempts: int = 1
    timeout: float | None = None
    on_progress: "Callable[[Context, Progress], None] | None" = None
    _made_at: float = msgspec.field(default_factory=monotonic)
    _ask: Ask | None = None
    # Most bodies neither log nor sleep: what that takes is made when it is needed.
    _journal: Journal | None = None
    _asked: threading.Event | None = None

    @property
    def is_last_attempt(self) -> bool:
        return self.attempt >= self.max_attempts

    @property
    def seconds_left(self) -> float | None:
        """Until the timeout, not below zero; `None` without one."""
        if self.timeout is None:
            return None
        return max(0.0, self._made_at + self.timeout - monotonic())

    @property
    def cancelled(self) -> bool:
        """Whether the body is asked to end, for whatever reason."""
        return self._ask is not None

    @property
    def asked(self) -> Ask | None:
        """Why the body is asked to end; `None` when it is not."""
        return self._ask

    def check(self) -> None:
        """A safe point: raises `Cancelled` when the body is asked to end."""
        if self._ask is not None:
            raise Cancelled(str(self._ask))

    def progress(self, done: float, *, of: float | None = None, note: str = "") -> None:
        """Say how far the body has come; a safe point as well.

        Written down about once a second, so it may be called at every step. Raises `Cancelled`
        when the body is asked to end, and `InvalidInput` for what is no number.
        """
        whole = None if of is None else _number(of)
        self.pass_on(Progress(_number(done), whole, safe_text(note)[:NOTE_MAX]))
        self.check()

    def pass_on(self, progress: Progress) -> None:
        """Hand progress to whoever writes it down. For whoever runs the body."""
        if self.on_progress is not None:
            self.on_progress(self, progress)

    def sleep(self, seconds: float) -> None:
        """Sleep, in a thread or a process; raises `Cancelled` once the body is asked to end."""
        asked = self._asked = self._asked or threading.Event()
        # Looked at only now: whoever asked before could not have set the event.
        self.check()
        asked.wait(seconds)
        self.check()

    def ask(self, why: Ask) -> bool:
        """Ask the body to end; the first reason counts. For whoever runs the body."""
        if self._ask is not None:
            return False
        self._ask = why
        if self._asked is not None:
            self._asked.set()
        return True

    def keep(self, line: str) -> None:
        """Keep a line of what the body logs. For the log handler."""
        if self._journal is None:
            self._journal = Journal()
        self._journal.add(line)

    def kept(self) -> str | None:
        """What the body has logged so far; `None` for nothing."""
        return self._journal.text() if self._journal is not None else None


def _number(value: float) -> int | float:
    """The value as JSON can express it, whatever kind of number it is. Raises `InvalidInput`."""
    if type(value) is int and abs(value) < 2**63:
        return value
    try:
        number = float(value)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything
        number = nan
    if not isfinite(number):
        raise InvalidInput(
            f"progress was to be {safe_text(value)[:100]!r}, which is no number",
            hint="Give how much is done, and of how much, as finite numbers.",
        )
    return number


CURRENT: Final[ContextVar[Context]] = ContextVar("fcs_run")


def current() -> Context:
    """The run that calls. Raises `NoRun` where there is none."""
    context = CURRENT.get(None)
    if context is None:
        raise NoRun(
            "fcs.current() was called outside of a task's body",
            hint="Call it from the function of a task while a worker runs it, or give it a run"
            " with fcs.testing.",
        )
    return context
