"""`fcs up`: everything from one command, for root and for others; nothing is left behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import Plant, reachable
from tests.system.harness import PATIENCE, eventually

from fcs.embedded import find_binaries

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # it brings its own server
only_looking = pytest.mark.xdist_group("calm up")  # one is started for all of them

NOBODY = 65534
ANY_PORT = "127.0.0.1:0"


class Machine:
    """A user with a home, who runs `fcs up`."""

    def __init__(self, home: Path, user: int | None, python: str, bin_dir: Path) -> None:
        self.home, self.data = home, home / "data"
        self._user, self._python = user, python
        paths = [path for path in sys.path if path.endswith("site-packages")]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2] / "src"), *paths]),
            "FCS_PG_BIN": str(bin_dir),
            "LANG": "nonsense",
        }
        self.ups: list[Up] = []

    def up(
        self, *options: str, listen: str = ANY_PORT, unread: bool = False, **variables: str
    ) -> "Up":
        """Start it, and wait until it is ready."""
        told = ["--listen", listen, "-o", "jsonl", *options]
        up = self.start(*told, unread=unread, **variables)
        up.wait_until_ready()
        return up

    def start(self, *options: str, unread: bool = False, **variables: str) -> "Up":
        """Start it; what it says goes into a file, or into a pipe that nobody reads."""
        number = len(self.ups)
        with (self.home / f"{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [self._python, "-m", "fcs", "up", "--data", str(self.data), *options],
                cwd=self.home,
                env=self._environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if unread else log,
                text=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                start_new_session=True,
            )
        self.ups.append(Up(process, self.home / f"{number}.log"))
        return self.ups[-1]

    def fcs(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._python, "-m", "fcs", *arguments],
            env=self._environment | variables,
            cwd=self.home,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )

    def processes(self) -> list[str]:
        """All processes that work for us, and what they were started as."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (folder / "environ").read_bytes()
                cwd = str((folder / "cwd").readlink())
            except OSError:
                continue
            if words and (f"HOME={self.home}".encode() in environment or str(self.home) in cwd):
                found.append(f"{folder.name} {words}")
        return found

    def wait_until_deserted(self) -> None:
        eventually(self.processes, until=lambda left: not left)

    def pull_the_plug(self) -> None:
        """Kill everything at once."""
        for words in self.processes():
            try:
                os.kill(int(words.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def close(self) -> None:
        self.pull_the_plug()
        for up in self.ups:
            up.process.communicate()
        self.wait_until_deserted()


class Up:
    """One running `fcs up`."""

    api: str
    database: str

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self._log = process, log

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it never got ready:\n{self.log}"
        ready = json.loads(line)
        self.api, self.database = ready["api"], ready["database"]
        assert ready["pid"] == self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            self.api + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        try:
            return bool(self.ask("/readyz")["status"] == "ok")
        except (OSError, urllib.error.URLError):
            return False

    def leader(self) -> Any:
        """Who leads, if anybody does; nobody knows while the one who answers is away."""
        try:
            seen = self.ask("/cluster")
        except (OSError, urllib.error.URLError):
            return None
        return seen["leader"] if seen["expires_in"] > 0 else None

    def run(self, ty: str = "baz") -> str:
        """Create a task and see it succeed; return its id."""
        id = str(self.ask("/tasks", {"def": {"ty": ty}})["id"])
        eventually(lambda: self.ask(f"/tasks/{id}")["status"], until=lambda s: s == "succeeded")
        return id

    def stop(self, sign: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sign)
        return self.process.wait(PATIENCE)

    def says(self, text: str) -> None:
        eventually(lambda: text in self.log)


@pytest.fixture(
    params=[
        pytest.param(None, id="self"),
        pytest.param(
            NOBODY,
            id="ordinary",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another"),
        ),
    ]
)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    yield from make_machine(request.param)


@pytest.fixture
def bare() -> Iterator[Machine]:
    """Nothing is there so far."""
    yield from make_machine(None)


@pytest.fixture
def mine(bare: Machine, plant: Plant) -> Machine:
    """The files of its Postgres are there already, as after a first start."""
    plant(bare.data)
    return bare


@pytest.fixture(scope="module")
def calm(plant: Plant) -> Iterator[Machine]:
    """A machine on which one `fcs up` runs, for those who only look at it."""
    for machine in make_machine(None):
        plant(machine.data)
        machine.up("--workers", "3", FCS_LISTEN="127.0.0.1:1", FCS_ID="nonsense")
        yield machine


def make_machine(user: int | None) -> Iterator[Machine]:
    python, bin_dir = programs_for(user)
    with tempfile.TemporaryDirectory(prefix="fcs-up-", ignore_cleanup_errors=True) as home:
        if user is not None:
            os.chown(home, user, user)
        machine = Machine(reachable(Path(home)), user, python, bin_dir)
        yield machine
        machine.close()


def programs_for(user: int | None) -> tuple[str, Path]:
    """A Python that can load what this one has, and a Postgres, within the user's reach."""
    if user is None:
        return sys.executable, find_binaries().bin_dir
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    bin_dirs = [find_binaries().bin_dir, *Path("/usr/lib/postgresql").glob("*/bin")]
    for python in filter(None, [sys.executable, shutil.which(f"python{version}", path="/usr/bin")]):
        for bin_dir in bin_dirs:
            if _runs(user, python, "-c", "pass") and _runs(user, str(bin_dir / "postgres"), "-V"):
                return python, bin_dir
    pytest.skip("an ordinary user can reach no Python or no Postgres here")


def _runs(user: int, *command: str) -> bool:
    try:
        done = subprocess.run(
            command,
            user=user,
            group=user,
            extra_groups=[],
            cwd="/",
            check=False,
            capture_output=True,
        )
    except OSError:
        return False
    return done.returncode == 0


# --- From nothing to a finished task, and back to nothing ---


def test_the_seed_s_requests_answer_and_ctrl_c_leaves_nothing(machine: Machine) -> None:
    up = machine.up()
    id = up.run()
    [task] = up.ask("/tasks")
    assert (task["id"], task["status"]) == (id, "succeeded")
    assert up.ask("/healthz")["status"] == "ok"

    assert up.stop(signal.SIGINT) == 0
    assert machine.processes() == []


def test_second_time_finds_the_tasks_of_the_first(machine: Machine) -> None:
    first = machine.up()
    id = first.run()
    assert first.stop(signal.SIGTERM) == 0

    second = machine.up()
    assert [task["id"] for task in second.ask("/tasks")] == [id]
    second.run()


def test_killed_it_takes_everything_along(machine: Machine) -> None:
    up = machine.up("--workers", "2")
    id = up.run()
    assert len(machine.processes()) > 4
    up.process.kill()
    up.process.wait()
    machine.wait_until_deserted()

    again = machine.up()
    assert again.ask(f"/tasks/{id}")["status"] == "succeeded"
    again.run()


def test_killed_while_it_starts_it_takes_everything_along(bare: Machine) -> None:
    for _ in range(5):
        starting = bare.start("--listen", ANY_PORT)
        eventually(lambda: any("postgres" in words for words in bare.processes()))
        starting.process.kill()
        starting.process.wait()
        bare.wait_until_deserted()
    bare.up().run()


def test_interrupted_while_it_starts_it_leaves_nothing(bare: Machine) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        starting = bare.start("--listen", ANY_PORT)
        eventually(lambda: any("postgres" in words for words in bare.processes()))
        assert starting is bare.ups[-1]
        starting.stop(sign)
        bare.wait_until_deserted()
    bare.up().run()


def test_under_nohup_the_end_of_the_terminal_ends_nothing(mine: Machine) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    up = mine.up()
    signal.signal(signal.SIGHUP, before)
    up.process.send_signal(signal.SIGHUP)
    up.run()
    assert "stopping" not in up.log
    assert up.stop() == 0


def test_first_signal_lets_tasks_end_and_the_second_does_not(mine: Machine) -> None:
    up = mine.up()
    patient = str(up.ask("/tasks", {"def": {"ty": "foo"}})["id"])
    eventually(lambda: up.ask(f"/tasks/{patient}")["status"], until=lambda s: s == "running")
    assert up.stop() == 0

    up = mine.up()
    assert up.ask(f"/tasks/{patient}")["status"] == "succeeded"
    hasty = str(up.ask("/tasks", {"def": {"ty": "foo"}})["id"])
    eventually(lambda: up.ask(f"/tasks/{hasty}")["status"], until=lambda s: s == "running")
    up.process.send_signal(signal.SIGINT)
    up.says("worker draining")
    assert up.stop() == 0
    assert mine.processes() == []

    assert mine.up().ask(f"/tasks/{hasty}")["status"] == "interrupted"


def test_its_mode_is_changed_while_it_runs(mine: Machine) -> None:
    up = mine.up("--workers", "2")
    for mode in ("hash", "elected", "hash"):
        changed = up.ask("/cluster", {"mode": mode}, "PUT")
        assert (changed["mode"], changed["problems"]) == (mode, [])
        up.run()
    eventually(
        lambda: {node["follows"] for node in up.ask("/cluster")["nodes"]},
        until=lambda follows: follows == {"hash"},
    )
    assert up.leader() is None


# --- What dies is started again ---


def test_killed_worker_is_started_again(mine: Machine) -> None:
    up = mine.up()
    [worker] = up.ask("/workers")
    os.kill(worker["pid"], signal.SIGKILL)
    up.says("worker 1 ended (SIGKILL)")
    eventually(up.answers)
    up.run()


def test_when_the_leader_is_killed_another_worker_leads(mine: Machine) -> None:
    up = mine.up("--workers", "2")
    first = eventually(up.leader)
    os.kill(first["pid"], signal.SIGKILL)
    second = eventually(up.leader, until=lambda seen: seen and seen["node"] != first["node"])
    assert second["part"] == "electable worker"
    eventually(up.answers)
    up.run()


def test_killed_postgres_is_started_again(mine: Machine) -> None:
    up = mine.up()
    id = up.run()
    [note] = mine.data.glob("pg*/postmaster.pid")
    os.kill(int(note.read_text().split()[0]), signal.SIGKILL)
    up.says("Postgres ended")
    eventually(up.answers)
    assert up.ask(f"/tasks/{id}")["status"] == "succeeded"
    up.run()
    assert up.stop() == 0
    assert mine.processes() == []


# --- In each other's way ---


def test_port_that_is_taken_makes_way_for_the_next(mine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        up = mine.up(listen=f"127.0.0.1:{port}")
    assert up.api != f"http://127.0.0.1:{port}"
    assert f"port {port} is taken by another program" in up.log
    up.run()


def test_port_that_workers_of_a_killed_one_hold_is_said_to_be_theirs(mine: Machine) -> None:
    first = mine.up()
    [worker] = first.ask("/workers")
    os.kill(worker["pid"], signal.SIGSTOP)  # as if it had much to drain
    first.stop(signal.SIGKILL)

    address = first.api.removeprefix("http://")
    second = mine.up(listen=address)
    assert second.api != first.api
    assert "workers of the last `fcs up`" in second.log
    assert second.stop() == 0
    os.kill(worker["pid"], signal.SIGKILL)

    third = mine.up(listen=address)
    assert third.api == first.api


def test_no_other_program_can_take_the_port_between_two_lives_of_a_worker(mine: Machine) -> None:
    up = mine.up()
    [worker] = up.ask("/workers")
    os.kill(worker["pid"], signal.SIGKILL)
    up.says("worker 1 ended (SIGKILL)")
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", int(up.api.rpartition(":")[2]))).close()
    eventually(up.answers)
    up.run()


def test_second_one_on_the_same_data_is_told_who_holds_it(machine: Machine) -> None:
    first = machine.up()
    second = machine.start()
    assert second.process.wait(PATIENCE) == 5
    error, hint = second.log.splitlines()
    assert f"process {first.process.pid}" in error
    assert first.database in hint
    first.run()


@only_looking
def test_database_that_it_names_is_the_one_it_uses(calm: Machine) -> None:
    [up] = calm.ups
    id = up.run()
    shown = calm.fcs("task", "show", id, "-o", "json", FCS_DATABASE=up.database)
    assert json.loads(shown.stdout)["id"] == id
    eventually(lambda: "All is well." in calm.fcs("status", FCS_DATABASE=up.database).stdout)
    assert calm.fcs("doctor", FCS_DATABASE=up.database).returncode == 0


def test_while_it_runs_its_database_need_not_be_named(mine: Machine) -> None:
    up = mine.up()
    id = up.run()
    shown = mine.fcs("task", "show", id, FCS_DATA=str(mine.data))
    assert id in shown.stdout
    assert up.database in shown.stderr
    assert up.stop() == 0
    assert mine.fcs("task", "show", id, FCS_DATA=str(mine.data)).returncode == 2


# --- Its manners ---


def test_it_says_where_everything_is(mine: Machine) -> None:
    up = mine.start("--listen", ANY_PORT)
    up.says("Ctrl-C stops everything")
    for part in (str(mine.data), "postgresql://", "/docs", "curl -X POST http://127.0.0.1:"):
        assert part in up.log
    up.says("worker 1  | ")
    up.says("leads: term=1")


@only_looking
def test_no_child_is_given_the_database_by_its_arguments(calm: Machine) -> None:
    ours = [words for words in calm.processes() if " fcs " in words]
    assert len(ours) >= 4
    assert not [words for words in ours if "postgresql://" in words or "host=" in words]


@only_looking
def test_whoever_is_ready_tells_who_leads(calm: Machine) -> None:
    [up] = calm.ups
    leader = eventually(up.leader)
    detail = up.ask("/readyz?verbose")["checks"]["database"]["detail"]
    assert detail == f"mode elected, term 1: electable worker {leader['node']} leads"
    assert up.ask("/healthz") == {"status": "ok"}


@only_looking
def test_only_the_first_worker_listens(calm: Machine) -> None:
    [up] = calm.ups
    workers = eventually(lambda: up.ask("/workers"), until=lambda found: len(found) == 3)
    assert len([worker for worker in workers if worker["listen"]]) == 1


def test_slots_and_own_tasks(mine: Machine) -> None:
    (mine.home / "tasks.py").write_text(
        "from fcs import App\napp = App()\n@app.task\nasync def greet(name: str) -> None:\n"
        "    print('hello', name)\n"
    )
    up = mine.up("--app", "tasks:app", "--slots", "3")
    [worker] = up.ask("/workers")
    assert (worker["slots_total"], worker["types"]) == (3, ["greet"])
    up.ask("/tasks", {"def": {"ty": "greet", "name": "ann"}})
    up.says("worker 1  | hello ann")


def test_what_nobody_reads_stops_nothing(mine: Machine) -> None:
    """As in a pager that is waiting for a key: more than all the pipes hold."""
    (mine.home / "tasks.py").write_text(
        "from fcs import App\napp = App()\n@app.task\nasync def chatter() -> None:\n"
        "    for _ in range(8000):\n        print('x' * 99)\n"
    )
    up = mine.up("--app", "tasks:app", unread=True)
    up.run("chatter")
    [note] = mine.data.glob("pg*/postmaster.pid")
    server = int(note.read_text().split()[0])
    os.kill(server, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{server}").exists())
    eventually(up.answers)
    up.run("chatter")
    assert up.stop(signal.SIGTERM) == 0
    assert mine.processes() == []


@only_looking
def test_seed_s_bar_asks_the_door_that_is_there(calm: Machine) -> None:
    calm.ups[0].run("bar")


def test_app_that_cannot_be_loaded_ends_it(mine: Machine) -> None:
    up = mine.start("--app", "nowhere:app", "--listen", ANY_PORT)
    assert up.process.wait(PATIENCE) == 2
    assert "worker 1  | error: there is no module 'nowhere'" in up.log
    assert up.log.splitlines()[-2].startswith("error: worker 1 cannot run like this")
    assert mine.processes() == []


def test_no_postgres_says_what_to_do(bare: Machine) -> None:
    up = bare.start(FCS_PG_BIN=str(bare.home))
    assert up.process.wait(PATIENCE) == 69
    assert "free-churro-scheduler[up]" in up.log
    assert len(up.log.splitlines()) == 2


@pytest.mark.parametrize("address", ["0.0.0.0:5000", "example.org:5000", "[::]:5000"])
def test_it_listens_on_this_machine_alone(bare: Machine, address: str) -> None:
    up = bare.start("--listen", address)
    assert up.process.wait(PATIENCE) == 2
    assert "--token-file" in up.log


def test_folder_that_is_not_ours(bare: Machine) -> None:
    bare.data.mkdir()
    (bare.data / "diary.txt").write_text("dear diary")
    up = bare.start()
    assert up.process.wait(PATIENCE) == 2
    assert "diary.txt" in up.log


def test_data_are_kept_in_the_home_of_the_one_who_runs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fcs.cli.settings import default_data

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "relative/paths/do/not/count")
    expected = {
        "darwin": tmp_path / "Library" / "Application Support" / "fcs" / "default",
        "linux": tmp_path / ".local" / "share" / "fcs" / "default",
    }
    assert default_data(os.environ) == expected[sys.platform]
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
        assert default_data(os.environ) == tmp_path / "xdg" / "fcs" / "default"


def test_data_survive_power_failures(mine: Machine) -> None:
    up = mine.up()
    id = up.run()
    mine.pull_the_plug()
    mine.wait_until_deserted()
    again = mine.up()
    with psycopg.connect(again.database) as db:
        assert db.execute("select status::text from fcs.tasks where id = %s", [id]).fetchone() == (
            "succeeded",
        )
