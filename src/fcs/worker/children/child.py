"""One child process, as its worker sees it: started, given runs, asked to end, ended."""

import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from fcs.body import Ask, Context
from fcs.body.context import CURRENT
from fcs.body.perform import SHUT_DOWN, NotGone, asked_to_end
from fcs.body.pipe import Asked, BadFrame, Ended, Go, Logged, Moved, Ready, Started, Unfit
from fcs.domain.errors import FcsError
from fcs.domain.outcome import Failed, Interrupted, Outcome
from fcs.domain.task import StopLevel
from fcs.worker.children.fates import crashed, gone_silent, how_it_died
from fcs.worker.children.keeper import Keeper
from fcs.worker.children.spawn import Recipe, Spawned, spawn

START_SECONDS: Final = 60.0
"""For which a child may import the application."""

END_SECONDS: Final = 2.0
"""For which an idle child may clean up when it is no longer needed."""

LAST_WORDS: Final = 0.2
"""Seconds for which a dead child is listened to: what it has forked may hold the line open."""

_LINES_SHOWN: Final = 20


class ChildNotStarted(FcsError):
    """A child process could not be brought to where it could run bodies."""

    code = "child_not_started"


class ChildTakenAway(ChildNotStarted):
    """That was the doing of the system, as it seems: the next one may be luckier."""

    code = "child_taken_away"


class Child:
    """A process that is ready for a run, or has one, or is gone."""

    def __init__(self, spawned: Spawned, keeper: Keeper, recipe: Recipe) -> None:
        self._process, self._line, self._output = spawned
        self.pid = self._process.pid
        self.spent = ""
        """Why it takes no more runs."""
        self._keeper, self._recipe = keeper, recipe
        self._is_running = False
        self._has_started = False
        self._was_killed = False
        self._alarm: asyncio.TimerHandle | None = None
        self._last_lines: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._output.lines_to(self._last_lines.append)
        self._keeper.add(self.pid)
        self._end = asyncio.create_task(self._watch())

    @classmethod
    async def start(cls, recipe: Recipe, keeper: Keeper, types: Sequence[str]) -> "Child":
        """Start a process, and wait until it could run bodies of these types.

        Raises `ChildNotStarted`.
        """
        try:
            child = cls(await spawn(recipe), keeper, recipe)
        except OSError as error:
            raise ChildTakenAway(
                f"the system starts no child process: {error.strerror}",
                hint="It may be short of memory, processes or open files; fcs tries again.",
            ) from error
        try:
            async with asyncio.timeout(START_SECONDS):
                await child._shake_hands(types)
        except BaseException as error:
            child.kill()
            await child.close()
            if isinstance(error, TimeoutError):
                raise child._not_ready(f"was not ready after {START_SECONDS:g} s") from None
            raise
        return child

    @property
    def is_there(self) -> bool:
        return self._process.returncode is None

    @property
    def is_fit(self) -> bool:
        """Whether it can take another run."""
        return self.is_there and not self._was_killed and not self.spent

    async def gone(self) -> None:
        """Wait until the process has ended, by whatever."""
        await asyncio.wait([self._end])

    async def perform(self, go: Go, context: Context, *, cpu_max: float | None) -> Outcome:
        """Let the body run, and say how it ended. The go is sent here, once and never again.

        Raises `NotGone` if the process had died before the body was started.
        """
        self._output.lines_to(context.keep)
        try:
            self._line.send(go)
        except BadFrame as error:
            # Nothing was sent, and nothing smaller will be the next time.
            return Failed(f"never started: {error}", "BadFrame", may_retry=False)
        self._is_running = True
        if context.asked is not None:
            self._line.send(Asked(context.asked))
        try:
            return await self._hear(context) or await self._fate(context, cpu_max)
        finally:
            self._is_running = False
            self._output.lines_to(self._last_lines.append)
            if self._alarm is not None:
                self._alarm.cancel()

    def ask(self, why: Ask, *, grace: float | None = None) -> None:
        """Ask the body to end; after the grace its process is killed, and all it has started."""
        if self._is_running:
            self._line.send(Asked(why))
        seconds = self._recipe.kill_grace if grace is None else grace
        self._alarm = asyncio.get_running_loop().call_later(seconds, self.kill)

    def kill(self) -> None:
        if self.is_there:
            self._was_killed = True
            self._kill_group()

    async def close(self) -> None:
        """Let an idle child go in peace, or kill it where it does not."""
        self._line.close()
        await asyncio.wait([self._end], timeout=END_SECONDS)
        self.kill()
        await self._end
        self._output.close()

    async def _shake_hands(self, types: Sequence[str]) -> None:
        match await self._news(None):
            case Ready(known) if set(types) <= set(known):
                return
            case Ready(known):
                missing = ", ".join(sorted(set(types) - set(known)))
                raise ChildNotStarted(
                    f"the application as a child process imports it does not have {missing}",
                    hint="It was changed after this worker had started: start the worker anew.",
                )
            case Unfit(error, hint):
                raise ChildNotStarted(
                    f"a child process cannot import the application: {error}",
                    hint=f"{hint} Its environment is a clean one; FCS_CHILD_ENV names what it is"
                    " to see as well.",
                )
        await self._end
        raise self._not_ready(how_it_died(self._code))

    async def _hear(self, context: Context) -> Outcome | None:
        news = await self._news(context)
        self._has_started = isinstance(news, Started)
        if self._has_started:
            news = await self._news(context)
        if isinstance(news, Ended):
            self.spent = news.spent
            return news.outcome
        return None

    async def _news(self, context: Context | None) -> Ready | Unfit | Started | Ended | None:
        """The next thing that is more than news of a run."""
        while message := await self._line.receive():
            match message:
                case Logged():
                    _log_here(message, context)
                case Moved(progress):
                    if context is not None:
                        context.pass_on(progress)
                case _:
                    return message
        return None

    async def _fate(self, context: Context, cpu_max: float | None) -> Outcome:
        """The outcome of a body whose child says nothing more."""
        await asyncio.wait([self._end], timeout=END_SECONDS)
        if is_silent := self.is_there:
            self._kill_group()
        await self._end
        if self._was_killed:
            asked = context.asked is not None
            return asked_to_end(context, StopLevel.KILL) if asked else Interrupted(SHUT_DOWN)
        if not self._has_started:
            raise NotGone(f"the child of task {context.id} had died before the body was started")
        return gone_silent() if is_silent else crashed(self._code, cpu_max=cpu_max)

    async def _watch(self) -> None:
        await self._process.wait()
        self._kill_group()
        self._keeper.remove(self.pid)
        asyncio.get_running_loop().call_later(LAST_WORDS, self._line.abort)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    @property
    def _code(self) -> int:
        assert self._process.returncode is not None
        return self._process.returncode

    def _not_ready(self, how: str) -> ChildNotStarted:
        self._output.lines_to(self._last_lines.append)
        said = "".join(f"\n  {line}" for line in self._last_lines)
        # Nothing that an application does by itself ends so; where memory is short, others do it.
        was_killed = self._process.returncode == -signal.SIGKILL and not self._was_killed
        kind = ChildTakenAway if was_killed else ChildNotStarted
        return kind(
            f"a child process {how} before it could run anything"
            + (f"; it said:{said}" if said else ""),
            hint="Importing the application is all that it does before.",
        )


def _log_here(logged: Logged, context: Context | None) -> None:
    """Log a child's record as if it had been logged here, in the run that it belongs to."""
    logger = logging.getLogger(logged.name)
    if not logger.isEnabledFor(logged.level):
        return
    record = logging.makeLogRecord(
        {
            "name": logged.name,
            "levelno": logged.level,
            "levelname": logging.getLevelName(logged.level),
            "msg": logged.text,
            "created": logged.created,
        }
    )
    if context is None:
        logger.handle(record)
        return
    token = CURRENT.set(context)
    try:
        logger.handle(record)
    finally:
        CURRENT.reset(token)
