"""Text that is safe to print: what came from elsewhere must not move the cursor or fake a line."""

import re
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
