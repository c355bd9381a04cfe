"""Reading named statements from `queries/*.sql`."""

import re
from collections.abc import Iterable
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_QUOTED = re.compile(r"'[^']*'")
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sb]")


def load(name: str) -> dict[str, str]:
    """The statements of one file, by name."""
    text = (files("fcs.database") / "queries" / f"{name}.sql").read_text("utf-8")

    # Inside quotes a placeholder is just text: '%(ttl)s seconds' becomes '$3 seconds', which
    # Postgres reads as three seconds without complaint.
    for quoted in _QUOTED.findall(_COMMENT.sub("", text)):
        if _PLACEHOLDER.search(quoted):
            raise ValueError(f"{name}.sql: placeholder inside quotes: {quoted}")

    _, *parts = _NAME.split(text)
    return dict(zip(parts[0::2], parts[1::2], strict=True))


def numbered(statement: str, names: Iterable[str], cast: str = "") -> str:
    """A statement with `$1` and so on for its named parameters, each cast if there is a cast."""
    numbers = {name: f"${number}{cast}" for number, name in enumerate(names, start=1)}
    return _PLACEHOLDER.sub(lambda found: numbers[found[1]], statement)
