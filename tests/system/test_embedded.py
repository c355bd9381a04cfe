"""The private Postgres against real life: kills, odd users, odd folders, odd environments."""

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Plant, grants_namespaces, reachable

from fcs.domain.errors import FcsError
from fcs.embedded import (
    AlreadyRunning,
    Binaries,
    NoPostgres,
    Postgres,
    PostgresFailed,
    UnusableFolder,
    choose_folder,
    find_binaries,
    processes,
)
from fcs.embedded.binaries import parse_version
from fcs.embedded.folder import open_log
from fcs.embedded.lock import FolderLock
from fcs.embedded.processes import at_work_in

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # servers themselves

SRC = Path(__file__).parents[2] / "src"
NOBODY = 65534
NAMELESS = 54321
PATIENCE_SECONDS = 60.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Ends when its input does, and stops the server then.
HOLDER = """
import json, sys, threading
from fcs.embedded import Postgres

server = Postgres(sys.argv[1])
if sys.argv[2] == "thread":
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
else:
    server.start()
print(json.dumps({"pid": server.pid, "url": server.url()}), flush=True)
sys.stdin.read()
server.stop()
"""


# Says why it cannot start.
REFUSED = """
import sys
from fcs.domain.errors import FcsError
from fcs.embedded import Postgres

try:
    Postgres(sys.argv[1]).start()
except FcsError as refusal:
    print(f"{type(refusal).__name__}: {refusal}", refusal.hint, sep="\\n")
"""

# Has no patience, and says who is in the way.
HASTY = """
import sys
from fcs.embedded import AlreadyRunning, Postgres, server as module

module._ORPHANS_SECONDS = 0.1
try:
    Postgres(sys.argv[1]).start()
except AlreadyRunning as refusal:
    print(refusal.pid)
"""

# Says where it puts its data, and that it can.
CHOSEN = """
import sys
from pathlib import Path
from fcs.embedded import Postgres, choose_folder

with Postgres(choose_folder(Path(sys.argv[1]), Path(sys.argv[2]))) as server:
    print(server.data_dir, "runs" if server.running else "")
"""

# Brings a Postgres of its own as a package, and says whether it runs, and from where.
SHELVED = """
import os, sys
from functools import partial
from pathlib import Path
from fcs.embedded import Postgres, server as module

data, packages, shelf = map(Path, sys.argv[1:])
del os.environ["FCS_PG_BIN"]
sys.path.insert(0, str(packages))
module.within_reach = partial(module.within_reach, shelf=shelf)
with Postgres(data) as server:
    print(server.bin_dir, "runs" if server.running else "")
"""


@contextmanager
def rooms() -> Iterator[tuple[Path, Path]]:
    """A folder that is closed to everybody else, as root's home is, and one that is open."""
    with (
        tempfile.TemporaryDirectory(prefix="fcs-test-") as closed,
        tempfile.TemporaryDirectory(prefix="fcs-test-") as opened,
    ):
        Path(opened).chmod(0o755)
        yield Path(closed), Path(opened)


Deprived = tuple[str, ...]
"""How to start a program as a root whom the kernel lets into no user namespace."""


@dataclass(frozen=True)
class Holder:
    """A process of its own that runs a server."""

    process: subprocess.Popen[str]
    server_pid: int
    url: str


def start_holder(
    folder: Path,
    *,
    user: int | None = None,
    prefix: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    start_in: str = "main",
) -> subprocess.Popen[str]:
    python, bin_dir = programs_for(user)
    return subprocess.Popen(
        [*prefix, python, "-c", HOLDER, str(folder), start_in],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SRC),
            "FCS_PG_BIN": str(bin_dir),
            **(environment or {}),
        },
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        start_new_session=True,
    )


@contextmanager
def holder(
    folder: Path,
    *,
    user: int | None = None,
    prefix: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    start_in: str = "main",
) -> Iterator[Holder]:
    process = start_holder(
        folder, user=user, prefix=prefix, environment=environment, start_in=start_in
    )
    assert process.stdin
    assert process.stdout
    try:
        answer = json.loads(process.stdout.readline())
        yield Holder(process, answer["pid"], answer["url"])
    finally:
        process.stdin.close()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


def run_alone(
    script: str, *arguments: Path, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SRC),
            "FCS_PG_BIN": str(find_binaries().bin_dir),
        },
    )


def programs_for(user: int | None) -> tuple[str, Path]:
    """Find a Python and a Postgres that the user can reach; root's home is closed to others."""
    if user is None:
        return sys.executable, find_binaries().bin_dir

    bin_dirs = [find_binaries().bin_dir, *Path("/").glob("usr/lib/postgresql/*/bin")]
    pythons = [sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"]
    for python in pythons:
        for bin_dir in bin_dirs:
            check = f"import sys; sys.path.insert(0, {str(SRC)!r}); import fcs.embedded as e"
            check += f"; e.find_binaries(__import__('pathlib').Path({str(bin_dir)!r}))"
            if runs_as(user, [python, "-c", check]):
                return python, bin_dir
    pytest.skip("an ordinary user can reach no Python or no Postgres here")


def runs_as(user: int, command: list[str]) -> bool:
    try:
        subprocess.run(
            command,
            user=user,
            group=user,
            extra_groups=[],
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.fixture(
    params=[
        pytest.param(None, id="self"),
        pytest.param(NOBODY, id="ordinary", marks=needs_root),
        pytest.param(NAMELESS, id="nameless", marks=needs_root),
    ]
)
def user(request: pytest.FixtureRequest) -> int | None:
    """Whose server it is; one user has a number but no name, as containers like them."""
    chosen: int | None = request.param
    return chosen


@pytest.fixture
def home(user: int | None) -> Iterator[Path]:
    """A folder of the user's; pytest's own are closed to everybody else."""
    with tempfile.TemporaryDirectory(prefix="fcs test ", ignore_cleanup_errors=True) as folder:
        if user is not None:
            os.chown(folder, user, user)
        yield reachable(Path(folder))


@pytest.fixture
def deprived() -> Deprived:
    """Many containers are like that."""
    # The kernel lets nobody map root into a namespace who may not set file capabilities.
    prefix = ("setpriv", "--bounding-set=-setfcap", "--inh-caps=-setfcap")
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv")
    if not grants_namespaces():
        pytest.skip("here all are like that")
    programs_for(NOBODY)
    check = "from fcs.embedded import launcher; print(launcher.namespace_works())"
    if run_alone(check, prefix=prefix).stdout.strip() != "False":
        pytest.skip("this kernel lets root into a namespace all the same")
    return prefix


@pytest.fixture
def blinkered(deprived: Deprived) -> Deprived:
    """As in Docker: this root may not look into the processes of other users."""
    blinkers = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
    return *deprived, *blinkers


def write(url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute("create table if not exists kept (number int)")
        db.execute("insert into kept values (42)")


def read(url: str) -> list[int]:
    with psycopg.connect(url) as db:
        return [number for (number,) in db.execute("select number from kept")]


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def cluster_in(folder: Path) -> Path:
    [cluster] = [path for path in folder.glob("pg*") if path.name[2:].isdecimal()]
    return cluster


# --- Whoever starts it ---


def test_what_was_written_survives_a_restart(home: Path, user: int | None) -> None:
    with holder(home / "data", user=user) as first:
        write(first.url)
    assert not at_work_in(cluster_in(home / "data"))

    with holder(home / "data", user=user) as second:
        assert read(second.url) == [42]


def test_all_files_belong_to_the_one_who_started_it(home: Path, user: int | None) -> None:
    with holder(home / "data", user=user):
        owners = {path.lstat().st_uid for path in (home / "data").rglob("*")}
        if user is None and os.geteuid() == 0 and not grants_namespaces():
            assert len(owners) == 1
            assert owners != {0}, "somebody else has to run it"
        else:
            assert owners == {os.geteuid() if user is None else user}
        assert (home / "data").stat().st_mode & 0o777 == 0o700


DEADLY = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(number, marks=pytest.mark.nightly) for number in DEADLY)],
)
@pytest.mark.parametrize("start_in", ["main", "thread"])
def test_no_server_outlives_its_parent(
    home: Path, user: int | None, number: signal.Signals, start_in: str, plant: Plant
) -> None:
    assert_goes_with_its_parent(home, user, number, start_in, plant)


@pytest.mark.parametrize("number", DEADLY)
@pytest.mark.parametrize("user", [None], indirect=True, ids=["self"])
def test_no_server_outlives_its_parent_whatever_ends_it(
    home: Path, user: int | None, number: signal.Signals, plant: Plant
) -> None:
    assert_goes_with_its_parent(home, user, number, "main", plant)


def assert_goes_with_its_parent(
    home: Path, user: int | None, number: signal.Signals, start_in: str, plant: Plant
) -> None:
    if user is None:
        plant(home / "data")
    with holder(home / "data", user=user, start_in=start_in) as parent:
        write(parent.url)
        parent.process.send_signal(number)
        parent.process.wait(PATIENCE_SECONDS)
        wait_for(lambda: not at_work_in(cluster_in(home / "data")))

    with holder(home / "data", user=user) as second:
        assert read(second.url) == [42]


@needs_root
def test_root_without_namespaces_lends_the_folder_to_another_user(deprived: Deprived) -> None:
    with rooms() as (_, home):
        data = home / "data"
        with holder(data, prefix=deprived) as lender:
            assert data.stat().st_uid in {
                account.pw_uid for account in pwd.getpwall() if account.pw_uid != 0
            }
            write(lender.url)
        with holder(data) as second:
            assert read(second.url) == [42]


@needs_root
def test_server_of_another_user_that_root_may_not_look_into_is_left_alone(
    blinkered: Deprived,
) -> None:
    with rooms() as (_, home), holder(home / "data", prefix=blinkered) as first:
        cluster = cluster_in(home / "data")
        with stopped(first.server_pid):  # it does not see its parent go
            first.process.kill()
            first.process.wait(PATIENCE_SECONDS)
            refused = run_alone(HASTY, home / "data", prefix=blinkered)
            assert refused.stdout.split() == [str(first.server_pid)], refused.stderr
            assert (cluster / "postmaster.pid").exists()
        with holder(home / "data", prefix=blinkered) as second:
            write(second.url)


@needs_root
def test_what_outlived_a_server_of_another_user_is_waited_for(blinkered: Deprived) -> None:
    with rooms() as (_, home), holder(home / "data", prefix=blinkered) as first:
        cluster = cluster_in(home / "data")
        db = psycopg.connect(first.url)
        backend = db.info.backend_pid
        with stopped(backend):  # it does not see the others go
            os.kill(first.server_pid, signal.SIGKILL)
            first.process.kill()
            first.process.wait(PATIENCE_SECONDS)
            wait_for(lambda: at_work_in(cluster) == [backend])
            refused = run_alone(HASTY, home / "data", prefix=blinkered)
            assert refused.stdout.split() == [str(backend)], refused.stderr
        db.close()
        with holder(home / "data", prefix=blinkered) as second:
            write(second.url)


@needs_root
def test_folder_that_the_other_user_cannot_reach_is_not_lent(deprived: Deprived) -> None:
    with rooms() as (home, _):
        data = home / "data"
        refused = run_alone(REFUSED, data, prefix=deprived)
        message, hint = refused.stdout.splitlines()
        assert message.startswith(f"UnusableFolder: {data} cannot be used: {home} is closed to")
        assert f"chmod o+x {home}" in hint
        assert {path.stat().st_uid for path in [data, *data.iterdir()]} == {0}


@needs_root
def test_data_that_were_reached_once_and_are_no_more_are_named(deprived: Deprived) -> None:
    with rooms() as (home, _):
        data = home / "data"
        with holder(data) as first:
            write(first.url)
        refused = run_alone(REFUSED, data, prefix=deprived)
        assert f"UnusableFolder: {data} cannot be used: {home} is closed to" in refused.stdout
        with holder(data) as second:
            assert read(second.url) == [42]


@needs_root
def test_a_postgres_out_of_reach_of_the_other_user_is_copied(deprived: Deprived) -> None:
    """As in a clone that lies in the home of root."""
    with rooms() as (home, opened):
        original = find_binaries().package
        if original is None:
            pytest.skip("this Postgres came with the system")
        for part in original.parent.glob(f"{original.name}*"):
            shutil.copytree(part, home / part.name)
        data, shelf = opened / "data", opened / "shelf"
        for start in ("first", "second"):
            ran = run_alone(SHELVED, data, home, shelf, prefix=deprived)
            [copy] = shelf.iterdir()
            where, runs = ran.stdout.split()
            assert (copy in Path(where).parents, runs) == (True, "runs"), (start, ran.stderr)

        ran = run_alone(SHELVED, opened / "more", home, shelf)
        where, runs = ran.stdout.split()
        assert (home in Path(where).parents, runs) == (True, "runs"), ran.stderr


@needs_root
def test_root_without_namespaces_goes_where_the_other_user_can_follow(deprived: Deprived) -> None:
    with rooms() as (home, opened):
        inside, outside = home / ".local" / "data", opened / "data"
        chosen = run_alone(CHOSEN, inside, outside, prefix=deprived)
        assert chosen.stdout.split() == [str(outside), "runs"], chosen.stderr
        assert not inside.exists()

        assert choose_folder(inside, outside) == outside, "the data stay where they are"
        (inside / "pg18").mkdir(parents=True)
        assert choose_folder(inside, outside) == inside


def test_folder_that_can_be_reached_is_taken(tmp_path: Path) -> None:
    assert choose_folder(tmp_path / "data", tmp_path / "spare") == tmp_path / "data"


@needs_root
def test_what_root_makes_in_somebodys_home_is_that_persons(tmp_path: Path) -> None:
    programs_for(NOBODY)
    with tempfile.TemporaryDirectory(prefix="fcs-test-") as home:
        os.chown(home, NOBODY, NOBODY)
        data = Path(home) / ".local" / "share" / "data"
        with holder(data):
            owners = {path.lstat().st_uid for path in Path(home).rglob("*")}
            assert owners == {NOBODY}


def test_program_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    ours = [sys.executable, "-I", "-S", str(SRC / "fcs" / "embedded" / "launcher.py")]
    not_our_pid = str(os.getppid())
    result = subprocess.run(
        [*ours, not_our_pid, str(tmp_path), "/bin/echo", "started"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert "is gone" in result.stderr


# --- Starting ---


def test_second_start_names_the_holder(tmp_path: Path, plant: Plant) -> None:
    with holder(plant(tmp_path)) as first:
        with pytest.raises(AlreadyRunning) as refusal:
            Postgres(tmp_path).start()
        assert refusal.value.pid == first.process.pid
        assert refusal.value.url == first.url
        assert str(first.process.pid) in str(refusal.value)
        assert first.url in refusal.value.hint
        write(first.url)  # and the first one has taken no harm


def test_somebody_who_only_looks_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "fcs.lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr("fcs.embedded.lock._LOOK_SECONDS", PATIENCE_SECONDS)
        monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        lock = FolderLock(tmp_path)
        lock.acquire()
        lock.release()


def test_whoever_takes_the_folder_knows_whether_the_last_one_was_killed(
    tmp_path: Path, plant: Plant
) -> None:
    server = Postgres(plant(tmp_path))
    with holder(tmp_path) as first:
        first.process.kill()
        first.process.wait(PATIENCE_SECONDS)
        server.start()
    after_a_kill = server.follows_a_killed_one
    server.stop()
    server.start()
    assert (after_a_kill, server.follows_a_killed_one) == (True, False)
    server.stop()


def test_foreign_server_on_the_folder_is_left_alone(tmp_path: Path, plant: Plant) -> None:
    with Postgres(plant(tmp_path)) as server:
        # What a fcs that was killed together with its watcher would leave behind.
        server._lock.release()
        assert server.pid
        with pytest.raises(AlreadyRunning) as refusal:
            patient_for_a_moment(Postgres(tmp_path))
        assert refusal.value.pid in at_work_in(cluster_in(tmp_path))
        write(server.url())


def test_server_is_found_by_its_pid_file_however_narrow_the_screen(
    own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, where there is no /proc, and whose `ps` takes any output for a narrow screen."""
    if not shutil.which("ps"):
        pytest.skip("there is no ps")
    monkeypatch.setenv("COLUMNS", "20")
    cluster = cluster_in(own_postgres.data_dir)
    assert processes._at_work_by_pid_file(cluster) == [own_postgres.pid]


def patient_for_a_moment(server: Postgres) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fcs.embedded.server._ORPHANS_SECONDS", 0.1)
        server.start()


@pytest.mark.parametrize("remain", ["pg/postmaster.pid", ".s.PGSQL.5432.lock"])
def test_stale_pid_file_of_a_number_that_lives_again(
    tmp_path: Path, plant: Plant, remain: str
) -> None:
    server = Postgres(plant(tmp_path))
    server.start()
    write(server.url())
    server.crash()
    stale = tmp_path / remain.replace("pg/", f"{cluster_in(tmp_path).name}/")
    _, *rest = stale.read_text().split("\n")
    stale.write_text("\n".join([str(os.getppid()), *rest]))

    server.start()
    assert read(server.url()) == [42]
    server.stop()


@pytest.mark.parametrize(
    "seen", ["", "postgresql.conf", "global/pg_control", "base/1/PG_VERSION", "base/5/PG_VERSION"]
)
def test_killed_in_the_middle_of_initdb(tmp_path: Path, seen: str) -> None:
    data = tmp_path / "data"
    process = start_holder(data)
    wait_for(lambda: any((place / seen).exists() for place in data.glob("pg*")))
    process.kill()
    process.communicate()

    with holder(data) as second:
        write(second.url)
        assert not list(data.glob("*.new"))


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "xx_YY.bogus", "LC_ALL": "xx_YY.bogus"},
        {"LANG": "", "LC_ALL": ""},
        {"PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-c nonsense=1", "TZ": "Mars/Olympus"},
    ],
    ids=["bogus locale", "empty locale", "other settings"],
)
def test_odd_environment(tmp_path: Path, environment: dict[str, str]) -> None:
    with holder(tmp_path, environment=environment) as odd, psycopg.connect(odd.url) as db:
        [shown] = db.execute(
            "select current_setting('server_encoding'), current_setting('timezone'), upper('ä')"
        )
        assert shown == ("UTF8", "UTC", "Ä")


@pytest.mark.parametrize(
    "name",
    [
        "with spaces",
        "comma, 'quote' and \"double\"",
        "percent%20 & ampersand?=#",
        "zażółć-ñ-🥨",
        "long-" * 40 + "/" + "path-" * 40,
    ],
    ids=["spaces", "quotes", "url", "unicode", "long"],
)
def test_odd_folder(tmp_path: Path, name: str) -> None:
    with Postgres(tmp_path / name) as server:
        write(server.url())
        assert read(server.url()) == [42]


def test_short_socket_folder_goes_with_the_server(tmp_path: Path) -> None:
    with Postgres(tmp_path / "comma, comma") as server:
        socket_folder = Path(psycopg.conninfo.conninfo_to_dict(server.url())["host"])  # type: ignore[arg-type]
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    assert not socket_folder.exists()


def test_short_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "comma, comma")
    socket_folder = Path(psycopg.conninfo.conninfo_to_dict(server.url())["host"])  # type: ignore[arg-type]
    socket_folder.mkdir()
    socket_folder.chmod(0o777)
    try:
        with pytest.raises(UnusableFolder, match=str(socket_folder)):
            server.start()
    finally:
        socket_folder.rmdir()


def test_folder_of_somebody_elses_things_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(UnusableFolder, match=r"letters\.txt"):
        Postgres(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def open_lock(folder: Path) -> None:
    FolderLock(folder).acquire()


@pytest.mark.parametrize("kind", ["symlink", "dangling", "hard link", "pipe", "folder"])
@pytest.mark.parametrize(
    ("name", "opened"), [("fcs.lock", open_lock), ("postgres.log", open_log)], ids=["lock", "log"]
)
def test_file_that_could_be_somebody_elses_is_neither_written_nor_given_away(
    tmp_path: Path, name: str, opened: Callable[[Path], object], kind: str
) -> None:
    (victim := tmp_path / "shadow").write_text("secret")
    (data := tmp_path / "data").mkdir()
    lay_trap(data / name, victim, kind)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    before = victim.stat()

    with pytest.raises(UnusableFolder, match=name) as refusal:
        opened(data)
    assert str(data / name) in refusal.value.hint
    assert (victim.read_text(), victim.stat().st_uid) == ("secret", before.st_uid)
    assert [path.name for path in tmp_path.iterdir() if path != data] == ["shadow"]


def lay_trap(trap: Path, victim: Path, kind: str) -> None:
    match kind:
        case "symlink":
            trap.symlink_to(victim)
        case "dangling":
            trap.symlink_to(victim.with_name("new"))
        case "hard link":
            trap.hardlink_to(victim)
        case "pipe":
            os.mkfifo(trap)
        case _:
            trap.mkdir()


@needs_root
@pytest.mark.parametrize("opened", [open_lock, open_log], ids=["lock", "log"])
def test_file_that_was_there_is_not_given_away(
    tmp_path: Path, opened: Callable[[Path], object]
) -> None:
    for name in ("fcs.lock", "postgres.log"):
        (tmp_path / name).touch()
    os.chown(tmp_path, NOBODY, NOBODY)
    opened(tmp_path)
    assert {path.stat().st_uid for path in tmp_path.iterdir()} == {0}


@pytest.mark.parametrize("ours", ["pg", "fcs.lock"])
def test_data_beside_which_somebody_left_a_file_are_ours_all_the_same(
    tmp_path: Path, plant: Plant, ours: str
) -> None:
    if ours == "pg":
        plant(tmp_path)
        (tmp_path / "fcs.lock").unlink(missing_ok=True)
    else:  # a first start that was killed
        (tmp_path / "fcs.lock").touch()
    for stray in (".DS_Store", ".postgres.log.swp", "postgres.log.1"):
        (tmp_path / stray).touch()
    with Postgres(tmp_path) as server:
        write(server.url())
    assert (tmp_path / ".DS_Store").exists()


def test_failed_start_says_why_and_lets_go(tmp_path: Path) -> None:
    with pytest.raises(PostgresFailed, match="shared_buffers") as failure:
        Postgres(tmp_path, settings={"shared_buffers": "nonsense"}).start()
    assert "postgres.log" in failure.value.hint

    with Postgres(tmp_path) as server:
        write(server.url())


# --- While it runs ---


def test_recovers_from_a_crash(own_postgres: Postgres) -> None:
    write(own_postgres.url())
    own_postgres.crash()
    assert not own_postgres.running

    own_postgres.start()
    assert read(own_postgres.url()) == [42]


def test_watcher_of_a_crashed_server_is_called_off(tmp_path: Path, plant: Plant) -> None:
    server = Postgres(plant(tmp_path))
    in_thread(server.start)  # there the kernel does not tell of our death
    crashed_pid = str(server.pid)
    assert watchers_of(crashed_pid)
    server.crash()
    in_thread(server.start)
    wait_for(lambda: not watchers_of(crashed_pid))
    server.stop()


def watchers_of(pid: str) -> list[Path]:
    """Find the shells that were forked off the process before it became Postgres."""
    own_session = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if name.endswith("(sh") and rest.split()[3] == pid:
            own_session.append(stat.parent)
    return own_session


def in_thread(target: Callable[[], None]) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


def test_immediate_stop_keeps_what_was_committed(own_postgres: Postgres) -> None:
    write(own_postgres.url())
    own_postgres.stop("immediate")
    own_postgres.start()
    assert read(own_postgres.url()) == [42]


def test_durability_is_on(own_postgres: Postgres) -> None:
    with psycopg.connect(own_postgres.url()) as db:
        for setting in ["fsync", "synchronous_commit", "full_page_writes"]:
            [(value,)] = db.execute("select current_setting(%s)", [setting])
            assert (setting, value) == (setting, "on")


def test_ctrl_c_is_not_for_the_server(own_postgres: Postgres) -> None:
    assert own_postgres.pid
    assert os.getpgid(own_postgres.pid) != os.getpgid(0)
    assert os.getsid(own_postgres.pid) != os.getsid(0)


def test_server_outlives_the_thread_that_started_it(tmp_path: Path, plant: Plant) -> None:
    server = Postgres(plant(tmp_path))
    in_thread(server.start)
    write(server.url())
    server.stop()
    assert not at_work_in(cluster_in(tmp_path))


def test_listens_on_tcp_only_when_asked_and_for_a_password(tmp_path: Path, plant: Plant) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with Postgres(plant(tmp_path / "asked"), listen=("127.0.0.1", port)) as server:
        write(server.tcp_url())
        assert read(server.url()) == [42]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")

    with (
        Postgres(plant(tmp_path / "not asked")) as server,
        psycopg.connect(server.url()) as db,
    ):
        assert db.execute("show listen_addresses").fetchone() == ("",)


# --- Which programs ---


def other_binaries() -> Binaries:
    """Postgres of another major version than the one that is found first."""
    first = find_binaries()
    for folder in Path("/usr/lib/postgresql").glob("*/bin"):
        try:
            found = find_binaries(folder)
        except NoPostgres:
            continue
        if found.major != first.major:
            return found
    pytest.skip("there is only one version of Postgres here")


def test_data_choose_the_version_that_can_read_them(tmp_path: Path) -> None:
    other = other_binaries()
    with Postgres(tmp_path, bin_dir=other.bin_dir) as server:
        assert server.version == other.version
        write(server.url())

    with Postgres(tmp_path) as server:
        assert server.version == other.version
        assert read(server.url()) == [42]


def test_data_that_no_version_here_can_read(tmp_path: Path) -> None:
    (tmp_path / "pg99").mkdir()
    with pytest.raises(NoPostgres, match="the data need 99"):
        Postgres(tmp_path).start()


def test_folder_without_programs_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoPostgres, match=str(tmp_path)) as refusal:
        Postgres(tmp_path / "data", bin_dir=tmp_path).start()
    assert isinstance(refusal.value, FcsError)
    assert "--database" in refusal.value.hint


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("postgres (PostgreSQL) 18.6\n", "18.6"),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
        ("postgres (PostgreSQL) 19beta2", "19beta2"),
    ],
)
def test_version_is_read_out_of_what_the_server_says(text: str, version: str) -> None:
    assert parse_version(text) == version


def test_anything_else_is_no_version() -> None:
    with pytest.raises(ValueError, match="toaster"):
        parse_version("toaster 3000")
