"""Somebody on the way forgets one connection of a process, and tells only the server."""

from pathlib import Path

import pytest
from tests.system.harness import Cluster
from tests.system.wire import wired

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # a pooler's sessions have no name


@pytest.mark.parametrize("part", ["worker begin", "worker finish", "worker mail", "heartbeat"])
def test_a_worker_goes_on_though_one_of_its_connections_was_forgotten(
    database_url: str, tmp_path: Path, part: str
) -> None:
    """LIVE: keepalives are answered as before, and over its other connections all is well."""
    with Cluster(database_url, tmp_path) as cluster, wired(database_url) as wire:
        cluster.supervise()
        cluster.wait_for_workers(worker := cluster.work(url=wire.url))
        cluster.wait_for_supervisors(1)
        cluster.create("nap", [1])
        cluster.wait_for_status("succeeded", 1)

        wire.forget(f"fcs {part}")
        cluster.create("nap", [2, 3])
        cluster.wait_for_status("succeeded", 2, 3)

        assert set(cluster.ledger.begun().values()) == {1}
        assert worker.process.is_alive
