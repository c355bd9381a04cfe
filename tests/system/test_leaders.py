"""However a leader comes to its end, another one hands out soon, and no task is wronged."""

import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from tests.system.harness import Cluster, Process, eventually
from tests.system.leaders import acts, succession

from bench import leaders
from fcs.domain.settings import Settings
from fcs.embedded import Postgres

pytestmark = pytest.mark.slow

HASTY = Settings(leader_lease=3.0)


def test_leaders_come_and_go_and_no_task_is_wronged(database_url: str, tmp_path: Path) -> None:
    with succession(database_url, tmp_path, settings=HASTY) as candidates:
        for act in acts(8, Random(1)):
            candidates.change(act)


@pytest.mark.nightly
def test_whatever_happens_to_a_leader_another_hands_out_within_two_leases() -> None:
    """LIVE. An hour, unless `FCS_ACTS` says for how many changes."""
    found = leaders.measure(int(os.environ.get("FCS_ACTS", "500")), say=lambda _: None)
    print(leaders.block(found))  # noqa: T201 - for whoever reads of a night

    assert max(chain.from_iterable(found.gaps.values())) < 2 * found.leader_lease


CHANGES_MAX = 30
"""So many leaders may end before a death has to be known."""

AHEAD = 900


def test_a_dead_worker_is_found_while_no_leader_lasts_for_a_lease(
    database_url: str, tmp_path: Path
) -> None:
    """LIVE, TRUTH: each of them looks at the workers two or three times, and is killed."""
    gate = tmp_path / "gate"
    with Cluster(database_url, tmp_path) as cluster:
        supervisors = [cluster.supervise() for _ in range(3)]
        workers = [cluster.work(slots=1) for _ in range(2)]
        cluster.wait_for_workers(*workers)
        cluster.create("hold", [1, 2], gate=str(gate))
        cluster.ledger.wait_begun(1, 2)
        query = "select worker_id from fcs.tasks where args ->> 'serial' = '1'"
        [doomed] = [worker for worker in workers if worker.id == cluster.value(query)]

        doomed.process.kill()
        changes = 0
        while cluster.statuses()[1] == "running":
            assert changes < CHANGES_MAX, "nobody has noticed"
            end_leader(cluster, supervisors)
            changes += 1

        assert cluster.statuses() == {1: "interrupted", 2: "running"}
        gate.touch()
        cluster.wait_for_status("succeeded", 2)
        cluster.assert_promise_kept()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_no_living_worker_is_called_lost_whatever_happens_beside_the_leaders(
    own_postgres: Postgres, own_url: str, tmp_path: Path, seed: int
) -> None:
    """TRUTH, F-41, F-43: leaders end, the database's clock jumps, Postgres ends and starts."""
    gate = tmp_path / "gate"
    with Cluster(own_url, tmp_path) as cluster:
        assert cluster.run("init", "--database", cluster.url).exit_code() == 0
        supervisors = [cluster.supervise() for _ in range(3)]
        workers = [cluster.work(slots=2) for _ in range(2)]
        cluster.wait_for_workers(*workers)
        cluster.create("hold", [1, 2, 3, 4], gate=str(gate))
        cluster.ledger.wait_begun(1, 2, 3, 4)
        [[clock]] = cluster.rows("select pg_get_functiondef('fcs.now'::regproc)")
        ahead = clock.replace(
            "statement_timestamp()", f"(statement_timestamp() + interval '{AHEAD} s')"
        )
        assert ahead != clock, "fcs.now() reads another clock by now"

        def restart() -> None:
            own_postgres.stop("immediate")
            own_postgres.start()

        def crash() -> None:
            own_postgres.crash()
            own_postgres.start()

        happenings: list[Callable[[], object]] = [
            restart,
            crash,
            lambda: cluster.execute(ahead),
            lambda: cluster.execute(clock),
        ]
        Random(seed).shuffle(happenings)
        for happen in happenings:
            end_leader(cluster, supervisors)
            happen()
            end_leader(cluster, supervisors)

        assert cluster.statuses() == dict.fromkeys([1, 2, 3, 4], "running")
        gate.touch()
        cluster.wait_for_status("succeeded", 1, 2, 3, 4)
        assert cluster.value("select count(*) from fcs.workers where state = 'live'") == 2
        cluster.assert_promise_kept()


def end_leader(cluster: Cluster, supervisors: list[Process]) -> None:
    """Kill whoever leads once it has looked at the workers twice, and put another in its place."""
    renewals: dict[int, set[object]] = {}

    def found() -> Process | None:
        query = "select term, pid, expires_at from fcs.leadership where node is not null"
        for term, pid, expires_at in cluster.rows(query):
            # The first one is that of the bid.
            renewals.setdefault(term, set()).add(expires_at)
            leaders = [one for one in supervisors if one.is_alive and one.pid == pid]
            if leaders and len(renewals[term]) >= 3:
                return leaders[0]
        return None

    leader = eventually(found)
    assert leader
    leader.kill()
    supervisors.remove(leader)
    supervisors.append(cluster.supervise())
