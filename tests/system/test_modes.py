"""The mode of the cluster is switched again and again while tasks go on, and none is wronged."""

import time
from pathlib import Path
from random import Random

import pytest
from tests.system.harness import Cluster, Load, eventually
from tests.system.leaders import Starts, assert_nothing_is_lost

from fcs.domain.topology import Mode

pytestmark = pytest.mark.slow

PAUSE_MAX = 2.0
"""Seconds from one switch to the next, at the most: some come before all have followed the last."""


@pytest.mark.parametrize(
    "switches",
    [pytest.param(6, id="some"), pytest.param(50, id="many", marks=pytest.mark.nightly)],
)
def test_a_cluster_follows_its_mode_and_no_task_is_wronged(
    database_url: str, tmp_path: Path, switches: int
) -> None:
    """F-77: in between it is half in one mode and half in another."""
    rng = Random(switches)
    mode = Mode.ELECTED
    with Cluster(database_url, tmp_path) as cluster:
        supervisors = [cluster.supervise() for _ in range(2)]
        workers = [cluster.work("--elect", slots=8) for _ in range(2)] + [cluster.work(slots=8)]
        cluster.wait_for_workers(*workers)
        with Load(database_url, ahead=5.0) as load:
            starts = Starts(cluster.ledger)
            for number in range(switches):
                time.sleep(rng.uniform(0, PAUSE_MAX))
                mode = rng.choice([other for other in Mode if other is not mode])
                switched_at = switch(cluster, mode)
                if number % 2:
                    wait_until_all_follow(cluster, mode)
                    wait_for_a_start(starts, switched_at)
            starts.close()
        assert_nothing_is_lost(cluster, load, wronged=set())
        assert all(process.is_alive for process in supervisors)


def switch(cluster: Cluster, mode: Mode) -> float:
    """Switch the mode, and return when that was."""
    cluster.execute("update fcs.cluster set mode = %(mode)s::fcs.mode", {"mode": mode})
    cluster.execute(
        "select pg_notify('fcs_candidates', 'mode'), pg_notify('fcs_supervisor', 'workers')"
    )
    return time.time()


def wait_for_a_start(starts: Starts, since: float) -> None:
    eventually(lambda: starts.first_after(since))


def wait_until_all_follow(cluster: Cluster, mode: Mode) -> None:
    """Until every worker goes by the mode, and one leads that may, or nobody where nobody may."""
    eventually(lambda: follow(cluster, mode))


def follow(cluster: Cluster, mode: Mode) -> bool:
    rows = cluster.rows("select distinct follows::text from fcs.workers where state = 'live'")
    [(part, is_held)] = cluster.rows(
        "select part, node is not null and expires_at > fcs.now() from fcs.leadership"
    )
    leads = {
        Mode.DEDICATED: is_held and part == "supervisor",
        Mode.ELECTED: is_held,
        Mode.HASH: not is_held,
    }
    return rows == [(mode.value,)] and leads[mode]
