"""Loading the application: from `module:app` to its registry of task types."""

import sys
import traceback
from importlib import import_module
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol, TypeGuard

from fcs.domain.errors import FcsError
from fcs.registry.registry import Registry

DEFAULT: Final = "fcs.demo:app"
"""The example types, until somebody brings their own."""


class Application(Protocol):
    """What is needed of a `fcs.App` to run its tasks; the App itself knows the database too."""

    registry: Registry


class AppNotLoaded(FcsError):
    """There is no such application, or its import failed."""

    code = "app_not_loaded"


def load(place: str) -> Application:
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


def _find(module: ModuleType, attribute: str, place: str) -> Application:
    found: object = module
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if _is_app(found):
        return found
    apps = [name for name, value in vars(module).items() if _is_app(value)]
    what = "is nothing" if found is None else f"is a {type(found).__name__}, not a fcs.App"
    raise AppNotLoaded(
        f"{place} {what} (the module is {module.__file__})",
        hint=f"Did you mean {module.__name__}:{apps[0]}?"
        if apps
        else "Put  app = fcs.App()  there, and @app.task before your functions.",
    )


def _is_app(value: object) -> TypeGuard[Application]:
    # Statically: a module may hold objects that raise at the touch of an attribute.
    return isinstance(getattr_static(value, "registry", None), Registry)
