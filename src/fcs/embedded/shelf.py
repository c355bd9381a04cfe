"""A Postgres that lies where the user who is to run it cannot go, and a copy where that can.

Root cannot run it; the home of root is closed to everybody else, and so is a clone in there.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from fcs.embedded.binaries import Binaries
from fcs.embedded.launch import is_reachable

SHELF: Final = Path("/var/lib/fcs-postgres")
"""Where copies lie, by their versions. Only root can write there."""


def within_reach(binaries: Binaries, folder: Path, *, shelf: Path = SHELF) -> Binaries:
    """Return the programs, or their copy where they are out of reach for who works in the folder.

    Only those of a package are copied, which hold together wherever they lie. Where that cannot be
    done the others are returned, and the start says what is closed to whom.
    """
    package = binaries.package
    if os.geteuid() != 0 or package is None:
        return binaries
    if is_reachable(binaries.program("postgres"), folder=str(folder)):
        return binaries
    copy = shelf / binaries.version
    try:
        if not copy.exists():
            _copy(package, copy)
    except OSError:
        return binaries
    return replace(binaries, bin_dir=copy / binaries.bin_dir.relative_to(package.parent))


def _copy(package: Path, copy: Path) -> None:
    """Make it whole or not at all: another one may start at the same time."""
    copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}.new")
    try:
        # Beside a package lie the libraries that it brings.
        for part in package.parent.glob(f"{package.name}*"):
            if part.suffix in ("", ".libs"):
                shutil.copytree(part, unfinished / part.name, symlinks=True)
        # Whoever made the original may have kept it to himself.
        for path in (copy.parent, unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        unfinished.rename(copy)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not copy.exists():
            raise
