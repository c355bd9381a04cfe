"""A private Postgres from a wheel or from the system, for `fcs up` and for tests.

It lives in a folder that only its owner can enter, is reached by a socket in that folder, and
goes when the process that started it goes, whatever the reason. Standard library only.
"""

import sys

from fcs.embedded.errors import AlreadyRunning, NoPostgres, PostgresFailed, UnusableFolder

if sys.platform == "win32":
    raise NoPostgres(
        "fcs cannot keep a Postgres of its own on Windows",
        hint="give the URL of a running Postgres with --database",
    )

from fcs.embedded.binaries import Binaries, find_binaries
from fcs.embedded.folder import choose_folder
from fcs.embedded.lock import find_url
from fcs.embedded.server import Postgres

__all__ = [
    "AlreadyRunning",
    "Binaries",
    "NoPostgres",
    "Postgres",
    "PostgresFailed",
    "UnusableFolder",
    "choose_folder",
    "find_binaries",
    "find_url",
]
