"""Logs of a process that serves: lines for people on a terminal, JSON lines for everybody else.

The library logs through `logging` and configures nothing; here it is configured.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import Processor

from fcs.cli.common import Common
from fcs.cli.text import printable
from fcs.domain.errors import InvalidSettings

_FORMS: Final = ("console", "json")
_LEVELS: Final = ("debug", "info", "warning", "error")
_COLORS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_PLAIN: Final = "\x1b[0m"

# Their news is of no use to somebody who runs tasks.
_CHATTY: Final = ("asyncio", "psycopg", "uvicorn")


def set_up(common: Common) -> None:
    """Send every record to stderr, in the form that fits who reads it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(common))
    logging.basicConfig(handlers=[handler], level=_level(common).upper(), force=True)
    logging.captureWarnings(True)
    if not common.verbose:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)


def _level(common: Common) -> str:
    if common.verbose:
        return "debug"
    if common.quiet:
        return "warning"
    return _choice("FCS_LOG_LEVEL", _LEVELS) or "info"


def _formatter(common: Common) -> logging.Formatter:
    form = _choice("FCS_LOG", _FORMS) or ("console" if sys.stderr.isatty() else "json")
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if form == "json"
        else structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.processors.format_exc_info,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer() if form == "json" else _Console(_colors(common))
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )


def _colors(common: Common) -> bool:
    if common.no_color or os.environ.get("NO_COLOR"):
        return False
    return sys.stderr.isatty() or bool(os.environ.get("FORCE_COLOR"))


def _choice(variable: str, choices: tuple[str, ...]) -> str | None:
    text = os.environ.get(variable, "").lower()
    if text and text not in choices:
        raise InvalidSettings(
            f"{variable}={text!r} is not known", hint=f"It may be {', '.join(choices)}."
        )
    return text or None


class _Console:
    """One record as a line. What follows on further lines is set in, so none can be faked."""

    def __init__(self, colors: bool) -> None:
        self._colors = colors

    def __call__(self, _: Any, __: str, record: MutableMapping[str, Any]) -> str:
        level, name = record["level"], str(record["logger"]).removeprefix("fcs.")
        text = "\n".join(filter(None, (str(record["event"]), record.get("exception"))))
        text = printable(text, keep="\n\t").replace("\n", "\n    ")
        line = f"{record['timestamp']} {level:7} {name}: {text}"
        color = _COLORS.get(level) if self._colors else None
        return f"{color}{line}{_PLAIN}" if color else line
