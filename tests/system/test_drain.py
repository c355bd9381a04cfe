"""Leaving in good order, and staying alive under bodies that do what bodies should not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.system.harness import Cluster, eventually

from fcs.domain.ids import TaskId
from fcs.embedded import Postgres

pytestmark = pytest.mark.slow

LONGER_THAN_A_LEASE = 8.0
FOR_EVER = 3_600.0

SHUT_DOWN = "its worker was shut down before the body had ended"


def test_a_terminated_worker_ends_what_runs_and_hands_back_the_rest(
    database_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with Cluster(database_url, tmp_path) as cluster:
        _, [leaving] = cluster.start(workers=1, slots=4)
        cluster.create("hold", [1, 2], gate=str(gate))
        cluster.ledger.wait_begun(1, 2)

        leaving.process.pause()
        unbegun = cluster.create("nap", [3, 4])
        cluster.wait_for_status("dispatched", 3, 4)
        with locked(cluster, unbegun):
            leaving.process.terminate()
            leaving.process.resume()
            wait_until_draining(cluster)
        staying = cluster.work()
        cluster.wait_for_status("succeeded", 3, 4)
        gate.touch()

        assert leaving.process.exit_code() == 0
        assert cluster.statuses() == dict.fromkeys([1, 2, 3, 4], "succeeded")
        query = "select worker_id from fcs.tasks where (args ->> 'serial')::int in (3, 4)"
        assert set(cluster.rows(query)) == {(staying.id,)}
        cluster.assert_promise_kept()


def test_what_does_not_end_in_time_is_interrupted_and_says_why(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        leaving = cluster.work("--drain-timeout", "0.5")
        cluster.create("hold", [1], gate="/nowhere")
        cluster.create("sleep_in_thread", [2], seconds=FOR_EVER)
        cluster.ledger.wait_begun(1, 2)

        leaving.process.terminate()
        assert leaving.process.exit_code() == 0
        assert cluster.rows("select distinct status::text, error from fcs.tasks") == [
            ("interrupted", SHUT_DOWN)
        ]
        assert cluster.value("select state::text from fcs.workers") == "gone"
        cluster.assert_promise_kept()


def test_a_second_signal_ends_the_drain_at_once(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.supervise()
        leaving = cluster.work("--drain-timeout", str(FOR_EVER))
        cluster.create("hold", [1], gate="/nowhere")
        cluster.create("sleep_in_thread", [2], seconds=FOR_EVER)
        cluster.ledger.wait_begun(1, 2)

        leaving.process.terminate()
        wait_until_draining(cluster)
        leaving.process.terminate()
        leaving.process.exit_code()
        assert cluster.statuses() == {1: "interrupted", 2: "interrupted"}


def test_a_second_signal_ends_the_drain_at_once_even_without_postgres(
    own_postgres: Postgres, own_url: str, tmp_path: Path
) -> None:
    with Cluster(own_url, tmp_path) as cluster:
        assert cluster.run("init", "--database", cluster.url).exit_code() == 0
        _, [leaving] = cluster.start(workers=1)
        cluster.create("hold", [1], gate="/nowhere")
        cluster.ledger.wait_begun(1)

        own_postgres.stop()
        leaving.process.terminate()
        eventually(lambda: "worker draining" in leaving.process.log())
        leaving.process.terminate()
        leaving.process.exit_code(within=10)


def test_a_drained_supervisor_leaves_with_success(database_url: str, tmp_path: Path) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        supervisor, _ = cluster.start(workers=1)
        supervisor.terminate()
        assert supervisor.exit_code() == 0


@pytest.mark.parametrize("ty", ["block_the_loop", "spin"])
def test_a_body_that_hogs_the_process_does_not_cost_the_lease(
    database_url: str, tmp_path: Path, ty: str
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        _, [worker] = cluster.start(workers=1)
        cluster.create(ty, [1], seconds=LONGER_THAN_A_LEASE)
        cluster.ledger.wait_begun(1)
        cluster.create("nap", range(2, 20))

        cluster.wait_until_settled()
        assert set(cluster.statuses().values()) == {"succeeded"}
        assert cluster.value("select state::text from fcs.workers") == "live"
        if ty == "block_the_loop":
            assert "the event loop stands still" in worker.process.log()
            assert "bodies.py:" in worker.process.log()
            assert "in block_the_loop" in worker.process.log()
        cluster.assert_promise_kept()


def wait_until_draining(cluster: Cluster) -> None:
    query = "select count(*) from fcs.workers where state = 'draining'"
    eventually(lambda: cluster.value(query) == 1)


@contextmanager
def locked(cluster: Cluster, ids: Sequence[TaskId]) -> Iterator[None]:
    """Hold the rows of tasks, so that nobody can move them meanwhile."""
    with psycopg.connect(cluster.own_url) as db:
        db.execute("select 1 from fcs.tasks where id = any(%s) for update", [list(ids)])
        yield
