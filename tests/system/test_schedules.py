"""Schedules while supervisors die: each moment makes one task, and none is left out."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.system.harness import Cluster, eventually

pytestmark = pytest.mark.slow

SECOND = timedelta(seconds=1)


def test_however_supervisors_die_each_moment_has_its_task(
    database_url: str, tmp_path: Path
) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        supervisor, _ = cluster.start(workers=1)
        ask(cluster, "create", "tick", "* * * * * *", "nap", "--arg", "serial=1",
            "--app", "bodies:app", "--catch-up", "all")  # fmt: skip

        for count in range(1, 5):
            cluster.ledger.wait_count(count)
            rival = cluster.supervise()
            supervisor.kill()
            supervisor = rival
        cluster.ledger.wait_count(7)
        ask(cluster, "pause", "tick")

        open_tasks = "select count(*) from fcs.tasks where status <> 'succeeded'"
        eventually(lambda: cluster.value(open_tasks), until=lambda count: bool(count == 0))
        query = "select scheduled_at from fcs.tasks order by scheduled_at"
        moments = [at for (at,) in cluster.rows(query)]
        assert {later - at for at, later in pairwise(moments)} == {SECOND}
        assert cluster.ledger.begun().total() == len(moments)


def ask(cluster: Cluster, verb: str, *arguments: str) -> None:
    process = cluster.run("schedule", verb, *arguments, "--database", cluster.url)
    assert process.exit_code() == 0, process.log()
