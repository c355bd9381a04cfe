"""Loading the application: from `module:app` to its registry of task types."""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from fcs.client.app import App
from fcs.domain.errors import FcsError

DEFAULT: Final = "fcs.demo:app"
"""The example types, until somebody brings their own."""


class AppNotLoaded(FcsError):
    """There is no such application, or its import failed."""

    code = "app_not_loaded"


def load(place: str) -> App:
    """Import the application. Its folder is the current one, unless it is installed."""
    module_name, _, attribute = place.partition(":")
    if place != DEFAULT and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return _find(_import(module_name), attribute, place)


def _import(name: str) -> ModuleType:
    try:
        return import_module(name)
    except FcsError:
        raise
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise AppNotLoaded(
                f"there is no module {error.name!r}, neither in {Path.cwd()} nor installed in"
                f" {sys.prefix}",
                hint="Run fcs in the folder that holds it, or install it there.",
            ) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> AppNotLoaded:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return AppNotLoaded(
        f"importing {name!r} failed: {type(error).__name__}: {error}"
        f" ({last.filename}:{last.lineno})",
        hint="Mend it, or -v shows the whole traceback.",
    )


def _find(module: ModuleType, attribute: str, place: str) -> App:
    found: object = module
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if isinstance(found, App):
        return found
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    what = "is nothing" if found is None else f"is a {type(found).__name__}, not a fcs.App"
    raise AppNotLoaded(
        f"{place} {what} (the module is {module.__file__})",
        hint=f"Did you mean {module.__name__}:{apps[0]}?"
        if apps
        else "Put  app = fcs.App()  there, and @app.task before your functions.",
    )
