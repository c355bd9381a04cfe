"""Leaving at once, for a process that has begun nothing yet."""

import os
import signal
from typing import NoReturn


def leave_on_sigterm() -> None:
    """End at a SIGTERM until somebody else handles it; to be called before anything is loaded.

    As the first process of a container we would not hear the signal otherwise, and begin tasks
    right before we are killed. It is no exception, which whoever is being imported may catch.
    """

    def leave(*_: object) -> NoReturn:
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
