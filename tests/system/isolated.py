"""An isolated body that clings to life, and says which processes that concerns."""

import os
import re
import subprocess
from pathlib import Path

from fcs import App

app = App()


@app.task(isolation="process")
def cling(serial: int, note: str) -> None:
    """Start a program, and then hold the interpreter for ever."""
    program = subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"])
    Path(f"{note}.new").write_text(f"{os.getpid()} {program.pid}")
    Path(f"{note}.new").rename(note)
    re.match("(a+)+$", 60 * "a" + "b")
