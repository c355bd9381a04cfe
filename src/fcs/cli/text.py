"""Text that is safe to print: what came from elsewhere must not move the cursor or fake a line."""

import codecs
import re
import sys
from datetime import UTC, datetime

# Controls, line separators of Unicode, marks that turn the direction of writing, lone surrogates.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, keep: str = "") -> str:
    """Escape what a terminal would obey instead of show, save for the characters to `keep`."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def cut(text: str, width: int) -> str:
    """At most `width` characters of a printable text."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def moment(at: datetime | None) -> str:
    """A moment in UTC, to the second; empty when there is none."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if at else ""


def escape_unwritable() -> None:
    """Have stdout and stderr escape what the locale has no bytes for, instead of failing."""
    codecs.register_error("fcs", _escape)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # who runs us may have put something else there
            stream.reconfigure(errors="fcs")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """As `backslashreplace`, but so that JSON stays JSON: that knows `\\u` alone, for UTF-16."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{unit}" for unit in units.hex(" ", 2).split()), error.end
