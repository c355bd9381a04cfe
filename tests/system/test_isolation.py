"""A killed worker leaves nothing running."""

import subprocess
from pathlib import Path

import pytest
from tests.parts.stage import is_alive
from tests.system.harness import Cluster, eventually

pytestmark = pytest.mark.slow


def test_when_a_worker_is_killed_its_children_go_and_what_they_had_started(
    database_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        worker = cluster.work(app="isolated:app")
        cluster.create("cling", [1], note=str(note))
        eventually(note.exists)
        pids = [*map(int, note.read_text().split()), *family(worker.process.pid)]
        assert len(set(pids)) >= 4  # the body's, its program, the spare child, the keeper

        worker.process.kill()
        eventually(lambda: not any(map(is_alive, pids)))
        cluster.wait_for_status("interrupted", 1)


def test_a_worker_that_drains_leaves_nothing_running_either(
    database_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        worker = cluster.work("--drain-timeout", "0s", app="isolated:app")
        cluster.create("cling", [1], note=str(note))
        eventually(note.exists)
        pids = [*map(int, note.read_text().split()), *family(worker.process.pid)]

        worker.process.terminate()
        assert worker.process.exit_code() == 0
        assert cluster.statuses() == {1: "interrupted"}
        eventually(lambda: not any(map(is_alive, pids)))


def family(pid: int) -> list[int]:
    """The children of a process."""
    answer = subprocess.run(["ps", "-o", "pid=,ppid=", "-A"], capture_output=True, check=True)
    pairs = [line.split() for line in answer.stdout.decode().splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]
