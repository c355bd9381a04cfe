"""A virtual environment for each peer, made once and kept in the user's cache.

It holds the pinned versions and nothing of ours. It appears under its name when it is whole, so
one that was interrupted is never used; other pins or another Python make another one.
"""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.peers import Peer

INSTALLED_WITHIN = 600.0


class NotMeasured(Exception):
    """A peer that cannot be measured here and now, and why."""


def python_of(peer: Peer) -> Path:
    """The interpreter of its environment. Needs a package index only the first time.

    Raises `NotMeasured` when it cannot be made.
    """
    folder = _folder(peer)
    if not is_made(peer):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as making:
            _make(peer, Path(making))
            _appear(Path(making), folder)
    return folder / "bin" / "python"


def is_made(peer: Peer) -> bool:
    """Whether its environment is there already."""
    return _folder(peer).exists()


def _folder(peer: Peer) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made_of = peer.requirements.read_bytes() + sys.version.encode() + platform.platform().encode()
    return cache / "fcs" / "peers" / f"{peer.path.name}-{hashlib.sha256(made_of).hexdigest()[:12]}"


def _make(peer: Peer, folder: Path) -> None:
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", folder],
        [folder / "bin" / "python", *install, "--requirement", peer.requirements],
    ]
    for command in commands:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=INSTALLED_WITHIN
            )
        except subprocess.TimeoutExpired:
            raise NotMeasured(
                f"{peer.name} was not installed within {INSTALLED_WITHIN:g} s"
            ) from None
        if done.returncode:
            raise NotMeasured(f"{peer.name} cannot be installed: {last_line(done.stderr)}")


def _appear(made: Path, folder: Path) -> None:
    """Take its name, unless somebody else was quicker."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    else:
        made.mkdir()  # for the one who made it to remove


def last_line(text: str) -> str:
    """Where a program says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it did not say why"
