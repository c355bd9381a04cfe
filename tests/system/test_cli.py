"""The command line as real processes: what they load, the seed's steps, how they end."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from tests.system.harness import PATIENCE, eventually

pytestmark = pytest.mark.slow

NOWHERE = "postgres://ann:canary@127.0.0.1:1/nothing"


class Process:
    """A running `fcs` whose output goes to files."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str]):
        self._folder = folder
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fcs", *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self._folder / "err").read_text()

    def says(self, text: str) -> None:
        """Wait until it has said so."""
        eventually(lambda: text in self.err or self.process.poll() is not None)
        assert text in self.err

    def ends(self) -> int:
        return self.process.wait(PATIENCE)

    def stops(self, sign: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.ends()


class Shell:
    """Starts `fcs` commands; none outlives the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FCS_")}
        self.environment = kept | {"FCS_LOG": "console"}

    def start(self, *arguments: str, **variables: str) -> Process:
        folder = self.folder / str(len(self.processes))
        folder.mkdir()
        process = Process(folder, arguments, self.environment | variables)
        self.processes.append(process)
        return process

    def run(self, *arguments: str, code: int = 0, **variables: str) -> Process:
        """Run one to its end."""
        process = self.start(*arguments, **variables)
        assert process.ends() == code, process.err
        return process

    def put(self, module: str, text: str) -> None:
        """Write a module that all commands can import."""
        (self.folder / f"{module}.py").write_text(text)
        paths = [str(self.folder), self.environment.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))

    def close(self) -> None:
        for process in self.processes:
            process.process.kill()
            process.process.wait()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def loaded_by(*arguments: str, **variables: str) -> set[str]:
    """Which packages a command loads."""
    script = textwrap.dedent("""
        import json, sys
        from fcs.cli.program import run
        code = run(sys.argv[1:])
        json.dump([code, sorted({name.split(".")[0] for name in sys.modules})], sys.stderr)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(done.stderr)
    assert code == 0
    return set(names)


# --- What is loaded ---


def test_help_loads_next_to_nothing() -> None:
    heavy = {"asyncio", "msgspec", "psycopg", "starlette", "structlog", "uvicorn", "uvloop"}
    assert not loaded_by("--help") & heavy


def test_creating_a_task_loads_no_server(database_url: str) -> None:
    loaded = loaded_by("task", "create", "baz", FCS_DATABASE=database_url)
    assert {"click", "msgspec", "psycopg"} <= loaded
    assert not loaded & {
        "httptools",
        "jinja2",
        "rich",
        "starlette",
        "structlog",
        "uvicorn",
        "uvloop",
    }


# --- The seed's steps ---


def test_the_steps_of_the_seed(shell: Shell, blank_database_url: str) -> None:
    url, id = blank_database_url, str(uuid4())
    assert shell.run("init", "--database", url).out.startswith("applied 0001")
    supervisor = shell.start("supervise", "--database", url)
    worker = shell.start("work", "--database", url, "--listen", "127.0.0.1:0", "--id", id)
    worker.says("worker ready")
    address = worker.err.split("address=")[1].split()[0]

    task = ask(f"http://{address}/tasks", {"def": {"ty": "baz"}})
    eventually(
        lambda: [t["status"] for t in ask(f"http://{address}/tasks") if t["id"] == task["id"]],
        until=lambda statuses: statuses == ["succeeded"],
    )
    assert ask(f"http://{address}/tasks")[0]["worker_id"] == id

    assert "types=bar,baz,foo" in worker.err
    assert worker.stops() == 0
    assert supervisor.stops(signal.SIGINT) == 0
    assert "leaving without" not in worker.err + supervisor.err


def ask(url: str, body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def test_run_ends_as_the_task_does(shell: Shell, database_url: str) -> None:
    shell.environment["FCS_DATABASE"] = database_url
    shell.start("supervise")
    shell.start("work").says("worker ready")
    done = shell.run("task", "run", "baz", "-o", "json")
    assert json.loads(done.out)["status"] == "succeeded"
    failed = shell.run("task", "run", "bar", code=1)
    assert "URLError" in failed.err
    shell.run("task", "run", "foo", "--in", "1d", "--wait", "50ms", code=75)


# --- How they end ---


@pytest.mark.parametrize("verb", ["supervise", "work"])
def test_database_that_cannot_be_reached_is_tried_for_a_while(shell: Shell, verb: str) -> None:
    ended = shell.run(verb, "--database", NOWHERE, code=69)
    assert "trying for 10 s" in ended.err
    assert "canary" not in ended.err


@pytest.mark.parametrize("verb", ["supervise", "work"])
def test_database_without_the_schema_is_refused(
    shell: Shell, verb: str, blank_database_url: str
) -> None:
    assert "fcs init" in shell.run(verb, "--database", blank_database_url, code=3).err


@pytest.mark.parametrize("verb", ["supervise", "work"])
def test_signal_during_the_first_tries_is_heard(shell: Shell, verb: str) -> None:
    process = shell.start(verb, "--database", NOWHERE)
    process.says("trying for")
    assert process.stops() == 0


def test_signal_while_the_app_is_loaded_ends_it_at_once(shell: Shell) -> None:
    shell.put("slow", "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    shell.run("work", "--app", "slow:app", "--database", NOWHERE, code=143)


@pytest.mark.parametrize("verb", ["supervise", "work"])
def test_signal_while_our_own_modules_are_loaded_ends_it_at_once(shell: Shell, verb: str) -> None:
    shell.put(
        "sitecustomize",
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'fcs.cli.serving':\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Finder)\n",
    )
    shell.run(verb, "--database", NOWHERE, code=143)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_port_that_is_taken(shell: Shell, database_url: str, host: str) -> None:
    if host == "[::1]" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    first = shell.start("work", "-d", database_url, "--listen", f"{host}:0")
    first.says("http ready")
    address = first.err.split("address=")[1].split()[0]
    assert address.startswith(f"{host}:")
    assert "taken" in shell.run("work", "-d", database_url, "--listen", address, code=2).err


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_other_addresses_need_a_token(shell: Shell, database_url: str) -> None:
    ended = shell.run("work", "-d", database_url, "--listen", "0.0.0.0:0", code=2)
    assert "--token-file" in ended.err


def test_id_that_is_taken(shell: Shell, database_url: str) -> None:
    id = str(uuid4())
    shell.start("work", "-d", database_url, "--id", id).says("worker ready")
    assert id in shell.run("work", "-d", database_url, "--id", id, code=5).err


STUCK = """
import time
from fcs import App

app = App()

@app.task
def stuck() -> None:
    time.sleep(3600)

@app.task
async def mine() -> None:
    await stuck.enqueue()
"""


@pytest.fixture
def stuck(shell: Shell, database_url: str) -> Process:
    """A worker whose task hangs in a thread."""
    shell.environment["FCS_DATABASE"] = database_url
    shell.put("tasks_that_hang", STUCK)
    app = ["--app", "tasks_that_hang:app"]
    shell.start("supervise")
    worker = shell.start("work", *app, "--drain-timeout", "100ms")
    worker.says("worker ready")
    shell.run("task", "create", "stuck", *app)
    eventually(lambda: statuses(database_url), until=lambda found: found == ["running"])
    return worker


def statuses(url: str) -> list[str]:
    with psycopg.connect(url) as db:
        return [row[0] for row in db.execute("select status::text from fcs.tasks")]


def test_body_that_hangs_in_a_thread_does_not_keep_the_process(
    stuck: Process, database_url: str
) -> None:
    assert stuck.stops() == 0
    assert "leaving without them" in stuck.err
    assert statuses(database_url) == ["interrupted"]


def test_fenced_worker_whose_body_hangs_leaves_all_the_same(
    stuck: Process, database_url: str
) -> None:
    with psycopg.connect(database_url) as db:
        db.execute("update fcs.tasks set status = 'interrupted', incarnation = null")
        db.execute("update fcs.workers set state = 'lost'")
    assert stuck.ends() == 5
    assert "declared lost" in stuck.err


def test_second_signal_interrupts(shell: Shell, database_url: str) -> None:
    shell.environment["FCS_DATABASE"] = database_url
    shell.start("supervise")
    worker = shell.start("work", "--drain-timeout", "1h")
    worker.says("worker ready")
    shell.run("task", "create", "foo")
    eventually(lambda: statuses(database_url), until=lambda found: found == ["running"])
    worker.process.terminate()
    worker.says("draining")
    assert worker.stops() == 130
    assert statuses(database_url) == ["interrupted"]


def test_what_bodies_create_goes_to_the_worker_s_database(shell: Shell, database_url: str) -> None:
    shell.put("tasks_that_hang", STUCK)
    app, database = ["--app", "tasks_that_hang:app"], ["--database", database_url]
    shell.start("supervise", *database)
    worker = shell.start("work", *app, *database, "--drain-timeout", "0s")
    worker.says("worker ready")
    shell.run("task", "run", "mine", *app, *database)
    assert len(statuses(database_url)) == 2


# --- Pipes ---


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_reader_that_had_enough_is_no_error(shell: Shell, database_url: str, form: str) -> None:
    with psycopg.connect(database_url) as db:
        db.execute(
            "insert into fcs.tasks (id, ty) select gen_random_uuid(), 'baz'"
            " from generate_series(1, 5000)"
        )
    command = [sys.executable, "-m", "fcs", "task", "list", "--limit", "5000", "-o", form]
    with subprocess.Popen(
        command,
        env=shell.environment | {"FCS_DATABASE": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_full_disk_is_an_error(shell: Shell) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fcs", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr
