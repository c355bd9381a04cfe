"""Limits under fire: whoever is killed, no limit is exceeded and no permit is lost."""

from pathlib import Path

import pytest
from tests.system.harness import Cluster, eventually

pytestmark = pytest.mark.slow

LIMIT = 3

LIMITED = """
insert into fcs.queues (name, running_max) values ('mail', %(limit)s)
"""

MOST_AT_ONCE = """
with events as (
    select started_at as at, 1 as change from fcs.tasks where started_at is not null
    union all
    select updated_at, -1
      from fcs.tasks
     where started_at is not null
       and incarnation is null
),
running as (
    select sum(change) over (order by at, change) as tasks from events
)
select max(tasks)::int from running
"""
"""How many ran at once at the most, by the rows: a lost run lasts until it was reaped."""


def test_limits_survive_the_death_of_workers_and_supervisors(
    database_url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with Cluster(database_url, tmp_path) as cluster:
        cluster.execute(LIMITED, {"limit": LIMIT})
        supervisor, [doomed, *_] = cluster.start(workers=4)
        cluster.create("nap", range(100), queue="mail", ms=20)
        cluster.ledger.wait_count(20)

        # One worker dies with whatever it holds; its places are taken until it is declared lost.
        doomed.process.kill()
        cluster.ledger.wait_count(30)

        # The supervisor dies in the middle of handing out; the next one must count first.
        supervisor.kill()
        cluster.supervise()
        cluster.create("nap", range(100, 150), queue="mail", ms=20)
        cluster.wait_until_settled()

        statuses = set(cluster.statuses().values())
        assert statuses <= {"succeeded", "interrupted"}
        assert cluster.value(MOST_AT_ONCE) == LIMIT
        cluster.assert_promise_kept()

        # Nothing leaked: as many as the limit says can run again, and not one more.
        cluster.create("hold", range(200, 205), queue="mail", gate=str(gate))
        running = "select count(*) from fcs.tasks where status = 'running'"
        eventually(lambda: cluster.value(running) == LIMIT)
        gate.touch()
        cluster.wait_until_settled()
        assert cluster.value(MOST_AT_ONCE) == LIMIT
