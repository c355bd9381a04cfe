"""Where settings come from: a flag, else a variable `FCS_*`, else the default.

Flags know their variable themselves (`envvar=` of click). Here is what is not that simple.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from fcs.cli.common import Common
from fcs.cli.output import say
from fcs.domain.durations import seconds_of
from fcs.domain.errors import InvalidInput, InvalidSettings
from fcs.domain.settings import Settings

SPARE_DATA = Path("/var/lib/fcs")
"""Where `fcs up` of root keeps its data if its Postgres, which may not be root, cannot get home."""


def database_url(common: Common, environment: Mapping[str, str]) -> str:
    """The database that was named, by whichever way."""
    if common.database:
        return common.database
    if url := environment.get("FCS_DATABASE"):
        return url
    if path := environment.get("FCS_DATABASE_FILE"):
        return _read_url(Path(path))
    if url := environment.get("DATABASE_URL"):
        return url
    if url := _database_of_up(environment):
        say(common, f"note: no database was named; using the one of the fcs up that runs: {url}")
        return url
    raise InvalidSettings(
        "no database was named, and no `fcs up` is running",
        hint="Start `fcs up`, or say --database postgres://user@host/name, or set FCS_DATABASE.",
    )


def default_data(environment: Mapping[str, str]) -> Path:
    """Where programs keep their data on this system.

    Raises `InvalidSettings` for a user without a home.
    """
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "fcs" / "default"
    base = environment.get("XDG_DATA_HOME", "")
    home = Path(base) if Path(base).is_absolute() else _home() / ".local" / "share"
    return home / "fcs" / "default"


def user_name() -> str:
    """Who acts, unless one says so."""
    from getpass import getuser

    try:
        return getuser()
    # In a container a user may be but a number; which error tells is up to the Python.
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise InvalidSettings(
            "this user has no home folder to keep data in",
            hint="Name a folder with --data or FCS_DATA, or set HOME.",
        ) from None


def _database_of_up(environment: Mapping[str, str]) -> str | None:
    if sys.platform == "win32":
        return None
    from fcs.embedded import find_url

    data = environment.get("FCS_DATA")
    places = [Path(data)] if data else _usual_places(environment)
    return next(filter(None, map(find_url, places)), None)


def _usual_places(environment: Mapping[str, str]) -> list[Path]:
    """Where an `fcs up` may keep its data to which nobody said where."""
    try:
        return [default_data(environment), SPARE_DATA]
    except InvalidSettings:
        return [SPARE_DATA]


def _read_url(path: Path) -> str:
    try:
        url = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidSettings(
            f"FCS_DATABASE_FILE={path} cannot be read: {reason}",
            hint="It names a file that holds the URL of the database and nothing else.",
        ) from None
    if not url:
        raise InvalidSettings(
            f"FCS_DATABASE_FILE={path} names an empty file",
            hint="Write the URL of the database into it.",
        )
    return url


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings as the variables have them: FCS_LEASE for `lease`, and so on."""
    given: dict[str, float] = {}
    for name, kind in get_type_hints(Settings).items():
        variable = f"FCS_{name.upper()}"
        if text := environment.get(variable):
            given[name] = _read_number(variable, text, kind, default=getattr(Settings(), name))
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except InvalidSettings as error:
        said = ", ".join(f"FCS_{name.upper()}={value:g}" for name, value in given.items())
        raise InvalidSettings(str(error), hint=f"Change what was set: {said}.") from None


def _read_number(variable: str, text: str, kind: Any, *, default: float) -> float:
    try:
        number: float = int(text) if kind is int else seconds_of(text)
    except (ValueError, InvalidInput):
        number = float("nan")
    if not 0 <= number < 1e9:
        wanted = "a whole number" if kind is int else "a number of seconds, or like 30s, 2h or 7d"
        raise InvalidSettings(
            f"{variable}={text!r} is not {wanted}", hint=f"Its default is {default:g}."
        )
    return number
