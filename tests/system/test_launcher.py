"""`./fcs` in a clone: the first start, every later one, and what it says when it cannot."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.direct,  # no database at all
    pytest.mark.xdist_group("launcher"),  # one environment is made for all of them
]

REPOSITORY = Path(__file__).parents[2]
OFFLINE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_INDEX_URL": "http://127.0.0.1:9/",
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
}


def copy_to(folder: Path) -> Path:
    """Copy what a fresh clone would hold."""
    not_cloned = shutil.ignore_patterns(".git", ".*cache", "__pycache__", ".hypothesis", ".venv*")
    shutil.copytree(REPOSITORY, folder, ignore=not_cloned, symlinks=True)
    return folder


def start(
    command: Path | str, *, cwd: Path = Path("/"), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.Popen(
        [str(command), "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=inherited | dict(environment or {}),
        start_new_session=True,
    )


def run(
    command: Path | str, *, cwd: Path = Path("/"), environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    process = start(command, cwd=cwd, environment=environment)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def assert_silent_success(result: subprocess.CompletedProcess[str]) -> None:
    assert (result.returncode, result.stderr) == (0, "")
    assert "Usage" in result.stdout


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that has seen life: two first starts at once, a move, and a start that was killed."""
    first_place = copy_to(tmp_path_factory.mktemp("launcher") / "a clone")
    both = [start(first_place / "fcs"), start(first_place / "fcs")]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("making an environment" in errors for _, errors in said) == 1, said

    clone = first_place.rename(first_place.with_name("moved clone"))
    stamp = clone / ".venv" / "fcs-stamp"
    killed = start(clone / "fcs")
    while stamp.exists() or not (clone / ".venv" / "bin" / "python").exists():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not stamp.exists()

    mending = run(clone / "fcs")
    assert mending.returncode == 0, mending
    assert "making an environment" in mending.stderr
    return clone


def test_later_start_needs_no_network_and_says_nothing(clone: Path) -> None:
    assert_silent_success(run(clone / "fcs", environment=OFFLINE))


def test_starts_from_anywhere_through_any_link(clone: Path, tmp_path: Path) -> None:
    absolute = tmp_path / "absolute"
    absolute.symlink_to(clone / "fcs")
    relative = tmp_path / "relative"
    relative.symlink_to(absolute.name)

    for command in [absolute, relative]:
        assert_silent_success(run(command, cwd=tmp_path, environment=OFFLINE))
    for written in ["./fcs", "../moved clone/fcs"]:
        assert_silent_success(run(written, cwd=clone, environment=OFFLINE))

    path = {"PATH": f"{clone}:{os.environ['PATH']}"}
    assert_silent_success(run("fcs", cwd=tmp_path, environment=OFFLINE | path))


def test_changes_of_the_source_act_at_once(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    shown = subprocess.check_output([python, "-c", "import fcs; print(fcs.__file__)"], text=True)
    assert shown.strip() == str(clone / "src" / "fcs" / "__init__.py")


def test_change_of_the_dependencies_is_installed(clone: Path) -> None:
    with (clone / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    result = run(clone / "fcs")
    assert result.returncode == 0
    assert "has changed" in result.stderr
    assert_silent_success(run(clone / "fcs", environment=OFFLINE))


def test_first_start_without_network_says_so_and_leaves_alone_what_others_made(
    tmp_path: Path,
) -> None:
    clone = copy_to(tmp_path / "clone")
    (clone / ".venv").mkdir()
    (clone / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for _ in range(2):  # the failed start is not taken for a finished one
        result = run(clone / "fcs", environment=OFFLINE | cache)
        assert result.returncode == 1
        assert result.stdout == ""
        making, failure, advice = result.stderr.splitlines()
        assert f"making an environment in {tmp_path}/cache/fcs/" in making
        assert "cannot reach the package index" in failure
        assert "Connect to the network" in advice
    assert [path.name for path in (clone / ".venv").iterdir()] == ["pyvenv.cfg"]


@pytest.mark.parametrize("found", ["none", "Python 3.9.1"])
def test_missing_or_old_python_is_named(tmp_path: Path, found: str) -> None:
    clone = copy_to(tmp_path / "clone")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ["sh", "dirname", "readlink", "cksum", "tr", "mkdir"]:
        real = shutil.which(name)
        assert real
        (programs / name).symlink_to(real)
    if found != "none":
        (programs / "python3").write_text(f"#!/bin/sh\n[ $1 = --version ] && echo {found}\n")
        (programs / "python3").chmod(0o755)

    result = run(clone / "fcs", environment={"PATH": str(programs)})
    failure, advice = result.stderr.splitlines()
    assert f"needs Python 3.11 or newer, found {found}" in failure
    assert "apt-get install python3" in advice


def test_python_without_venv_says_what_to_install(tmp_path: Path) -> None:
    clone = copy_to(tmp_path / "clone")
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "venv.py").write_text("raise SystemExit('ensurepip is not available')\n")

    result = run(
        clone / "fcs",
        environment={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(modules),
        },
    )
    assert result.returncode == 1
    assert "apt-get install python3-venv" in result.stderr
