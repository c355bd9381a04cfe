"""Whatever is killed, paused or cut off: nothing runs twice, and the truth is visible soon."""

import time
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.system.harness import Cluster, Load, eventually

pytestmark = pytest.mark.slow

LEASE = 5.0
"""Seconds, by the default settings."""

TRUSTED_FOR = 4.0
"""Seconds after a beat for which a worker goes on beginning tasks, by the default settings."""

OUTAGE = 5.0
"""Seconds for which a fault lasts where its length is what the test is about."""


def test_a_killed_workers_task_says_interrupted_within_a_lease_and_a_second(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        worker = cluster.work(app="fcs.demo:app")
        task = cluster.create_bare("foo")
        eventually(lambda: cluster.status(task) == "running")

        worker.process.kill()
        eventually(lambda: cluster.status(task) == "interrupted")

        [(error, silent)] = cluster.rows(
            """
            select error, extract(epoch from tasks.updated_at - workers.beat_at)::float
              from fcs.tasks
              join fcs.workers on workers.id = tasks.worker_id
            """
        )
        assert "silent for longer than the lease" in error
        assert silent <= LEASE + 1


def test_what_a_killed_worker_had_not_begun_runs_elsewhere(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        _, [doomed] = cluster.start(workers=1, slots=4)
        cluster.create("hold", [1, 2], gate="/nowhere")
        cluster.ledger.wait_begun(1, 2)

        doomed.process.pause()
        cluster.create("nap", [3, 4, 5, 6])
        held = "select count(*) from fcs.tasks where status = 'dispatched'"
        eventually(lambda: cluster.value(held) == 2)
        doomed.process.kill()
        other = cluster.work()

        cluster.wait_until_settled()
        assert cluster.statuses() == {
            1: "interrupted",
            2: "interrupted",
            **dict.fromkeys([3, 4, 5, 6], "succeeded"),
        }
        query = "select distinct worker_id from fcs.tasks where status = 'succeeded'"
        assert cluster.rows(query) == [(other.id,)]
        cluster.assert_promise_kept()


def test_a_paused_workers_late_report_is_kept_and_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with Cluster(database_url, tmp_path) as cluster:
        _, [paused] = cluster.start(workers=1)
        other = cluster.work("--listen", "127.0.0.1:0", "--queue", "other")
        cluster.wait_for_workers(other)
        [task] = cluster.create("hold", [1], gate=str(gate))
        cluster.ledger.wait_begun(1)

        paused.process.pause()
        cluster.wait_for_status("interrupted", 1)
        gate.touch()
        paused.process.resume()
        assert paused.process.exit_code() == 5

        seen = cluster.ask(other, f"/tasks/{task}")
        assert seen["status"] == "interrupted"
        assert seen["late_report"]["status"] == "succeeded"
        assert cluster.ledger.ended() == {1: 1}
        cluster.assert_promise_kept()


def test_tasks_created_while_the_supervisor_is_dead_run_after_its_return(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        supervisor, _ = cluster.start(workers=2)
        cluster.create("nap", range(10), due_in=0.5)
        cluster.create("nap", range(10, 20), due_in=OUTAGE + 3)
        supervisor.kill()

        cluster.create("nap", range(20, 40), ms=50)
        cluster.create("nap", range(40, 50), due_in=1)
        time.sleep(OUTAGE)
        assert cluster.ledger.begun().keys() <= set(range(10))

        cluster.supervise()
        cluster.wait_until_settled()
        assert cluster.statuses() == dict.fromkeys(range(50), "succeeded")
        assert cluster.value("select bool_and(started_at >= scheduled_at) from fcs.tasks")
        cluster.assert_promise_kept()


def test_two_supervisors_run_each_task_once_and_one_may_die(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        first, _ = cluster.start(workers=3)
        cluster.supervise()
        cluster.wait_for_supervisors(2)
        with Load(database_url, ms_max=100) as load:
            cluster.create("nap", range(200), due_in=1)
            cluster.ledger.wait_count(200)
            first.kill()
            cluster.ledger.wait_count(400)
        cluster.assert_all_ran_once(load)


def test_a_worker_out_of_touch_begins_nothing(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=1)
        with psycopg.connect(database_url) as db:
            # Its beats wait for this lock, and so does whoever would call it lost.
            db.execute("select 1 from fcs.workers for update")
            wait_for_silence(cluster, longer_than=TRUSTED_FOR)
            [task] = cluster.create("nap", [1])
            dispatch_by_hand(cluster)
            wait_for_silence(cluster, longer_than=LEASE)
            # It did not take the task up, nor has it put it down again.
            assert cluster.status(task) == "dispatched"
            assert cluster.value("select dispatch_no from fcs.tasks") == 1

        # Whether its beat or the reaper comes first to the lock is chance: who was out of touch
        # for a lease may be called lost, and then another takes the task.
        cluster.work()
        eventually(lambda: cluster.status(task) == "succeeded")
        cluster.assert_promise_kept()


def test_what_a_removed_worker_held_does_not_hang(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        _, [doomed] = cluster.start(workers=1, slots=2)
        cluster.create("hold", [1], gate="/nowhere")
        cluster.ledger.wait_begun(1)
        doomed.process.pause()
        cluster.create("nap", [2])
        cluster.wait_for_status("dispatched", 2)
        doomed.process.kill()

        # Somebody tidies up by hand, and takes the row that the reaper needs.
        cluster.execute("delete from fcs.workers")
        cluster.work()
        cluster.wait_for_status("succeeded", 2)
        cluster.wait_for_status("interrupted", 1)
        cluster.assert_promise_kept()


def test_a_worker_id_that_is_in_use_is_refused(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        _, [first] = cluster.start(workers=1)
        second = cluster.work(id=first.id)
        assert second.process.exit_code() == 5
        assert f"worker id {first.id} is in use" in second.process.log()
        assert "uuidgen" in second.process.log()

        cluster.create("nap", [1])
        cluster.wait_for_status("succeeded", 1)


def test_the_id_of_a_killed_worker_can_be_used_again(database_url: str, tmp_path: Path) -> None:
    id = uuid4()
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        first = cluster.work(id=id)
        cluster.create("hold", [1], gate="/nowhere")
        cluster.ledger.wait_begun(1)

        first.process.kill()
        cluster.work(id=id)
        cluster.create("nap", [2])
        cluster.wait_for_status("succeeded", 2)
        assert cluster.statuses() == {1: "interrupted", 2: "succeeded"}
        cluster.assert_promise_kept()


def wait_for_silence(cluster: Cluster, *, longer_than: float) -> None:
    query = "select extract(epoch from fcs.now() - beat_at)::float from fcs.workers"
    eventually(lambda: cluster.value(query) > longer_than)


def dispatch_by_hand(cluster: Cluster) -> None:
    """Do what the supervisor would, if it could."""
    cluster.execute(
        """
        with dispatched as (
               update fcs.tasks
                  set status = 'dispatched',
                      worker_id = workers.id,
                      incarnation = workers.incarnation,
                      dispatch_no = 1,
                      due_at = null
                 from fcs.workers
            returning tasks.id, tasks.incarnation
        )
        select pg_notify('fcs_worker_' || replace(incarnation::text, '-', ''), id::text)
          from dispatched
        """
    )
