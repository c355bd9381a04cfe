"""Bodies in child processes, while children and workers are killed."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from tests.parts.stage import is_alive
from tests.system.harness import Cluster, Worker, eventually

pytestmark = pytest.mark.slow

APP = "bodies:isolated"


def test_when_a_worker_is_killed_its_children_go_and_what_they_had_started(
    database_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        worker = cluster.work(app=APP)
        cluster.create("cling", [1], note=str(note))
        eventually(note.exists)
        pids = [*map(int, note.read_text().split()), *pids_of(worker)]
        assert len(set(pids)) >= 3  # the body's, its program, the keeper

        worker.process.kill()
        eventually(lambda: not any(map(is_alive, pids)))
        cluster.wait_for_status("interrupted", 1)


def test_a_worker_that_leaves_at_once_leaves_nothing_running_either(
    database_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        worker = cluster.work("--drain-timeout", "0s", app=APP)
        cluster.create("cling", [1], note=str(note))
        eventually(note.exists)
        pids = [*map(int, note.read_text().split()), *pids_of(worker)]

        worker.process.terminate()
        assert worker.process.exit_code() == 0
        assert cluster.statuses() == {1: "interrupted"}
        eventually(lambda: not any(map(is_alive, pids)))


def test_whatever_child_is_killed_whenever_no_body_runs_twice_and_each_end_is_true(
    database_url: str, tmp_path: Path
) -> None:
    rng, serials = Random(7), range(60)
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        workers = [
            cluster.work("--child-env", "FCS_TEST_LEDGER", app=APP, slots=3) for _ in range(2)
        ]
        cluster.wait_for_workers(*workers)
        cluster.create("nap_alone", serials, ms=250)  # longer than it takes to kill somebody
        for begun in range(0, 50, 2):
            cluster.ledger.wait_count(begun)
            children = [one.pid for worker in workers for one in family(worker) if one.is_child]
            with suppress(ProcessLookupError, IndexError):
                os.kill(rng.choice(children), signal.SIGKILL)
        cluster.wait_until_settled()

        began, ended = cluster.ledger.begun(), cluster.ledger.ended()
        assert all(began[serial] <= 1 for serial in serials)
        errors = dict(cluster.rows("select (args->>'serial')::int, error from fcs.tasks"))
        for serial, status in cluster.statuses().items():
            if status == "succeeded":
                assert ended[serial] == 1
            else:
                assert "killed by signal 9 (SIGKILL)" in errors[serial]
        assert {"succeeded", "failed"} == set(cluster.statuses().values())
        free = "select count(*) from fcs.workers where slots_busy > 0"
        eventually(lambda: cluster.value(free) == 0)
        cluster.assert_promise_kept(slots=3)


def test_a_signal_for_what_a_body_has_forked_is_not_heard_by_its_worker(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        worker = cluster.work("--drain-timeout", "1s")
        cluster.create("end_a_fork", range(8))
        cluster.wait_until_settled()

        assert cluster.statuses() == dict.fromkeys(range(8), "succeeded")
        results = cluster.rows("select distinct result::text from fcs.tasks")
        assert results == [(str(-signal.SIGTERM),)]
        assert "draining" not in worker.process.log()


class Process(NamedTuple):
    pid: int
    parent: int
    command: str

    @property
    def is_child(self) -> bool:
        return "-m fcs.child " in self.command


def family(worker: Worker) -> list[Process]:
    """What the worker has started."""
    answer = subprocess.run(
        ["ps", "-ww", "-o", "pid=,ppid=,args=", "-A"], capture_output=True, check=True
    )
    split = [line.split(maxsplit=2) for line in answer.stdout.decode().splitlines()]
    all_of_them = [Process(int(pid), int(parent), command) for pid, parent, command in split]
    return [process for process in all_of_them if process.parent == worker.process.pid]


def pids_of(worker: Worker) -> list[int]:
    return [process.pid for process in family(worker)]
