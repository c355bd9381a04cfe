"""Postgres fails over, or is copied: nothing runs twice, and what may have been lost is said."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.system.harness import Cluster, Load, eventually

from bench.pair import Pair, copy, promote
from fcs.embedded import Postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.direct,  # it is about pairs of servers
    pytest.mark.xdist_group("failover"),
]

TAIL = range(20)
HELD = 2.0
"""Seconds for which nothing is seen to begin."""

WITNESSES = """
    select count(*)
      from fcs.workers, fcs.identity
     where state in ('live', 'draining') and testified_at >= on_hold_since
"""


@contextmanager
def clustered(pair: Pair, folder: Path) -> Iterator[Cluster]:
    """Processes that are told both servers, and nothing about which of them takes writes."""
    url = pair.url(target_session_attrs="read-write")
    with Cluster(url, folder, told=pair.url()) as cluster:
        assert cluster.run("init", "--database", pair.url()).exit_code() == 0
        cluster.start(workers=2)
        yield cluster


def why_on_hold(cluster: Cluster) -> str | None:
    """What everybody is told, if anything."""
    query = "select on_hold_why from fcs.identity where on_hold_since is not null"
    return next((why for (why,) in cluster.rows(query)), None)


def adopt(cluster: Cluster, url: str) -> str:
    adopting = cluster.run("adopt", "--database", url)
    assert adopting.exit_code() == 0, adopting.log()
    return adopting.log()


def assert_nothing_begins(cluster: Cluster) -> None:
    begun = cluster.ledger.begun()
    time.sleep(HELD)
    assert cluster.ledger.begun() == begun


def test_a_failover_to_the_standby_that_commits_wait_for_costs_no_task(tmp_path: Path) -> None:
    """F-79, tier B: 0 lost, 0 double, and nobody has to do anything."""
    with Pair(tmp_path / "pair", synchronous=True) as pair, clustered(pair, tmp_path) as cluster:
        eventually(lambda: cluster.value("select standbys <> '' from fcs.identity"))
        with Load(cluster.own_url) as load:
            cluster.ledger.wait_count(50)
            pair.lose_primary()
            pair.promote()

            # Everybody is back once tasks end that were created after it.
            cluster.create("nap", [-1])
            cluster.wait_for_status("succeeded", -1)
        cluster.assert_all_ran_once(load)
        assert why_on_hold(cluster) is None
        assert cluster.value("select timeline from fcs.identity") == 2


def test_a_failover_that_lost_the_tail_is_put_on_hold_and_runs_nothing_twice(
    tmp_path: Path,
) -> None:
    """F-79, tier C: what was acknowledged last is lost. By the standby's rows tasks wait that have
    run; workers know better."""
    with Pair(tmp_path / "pair", synchronous=False) as pair, clustered(pair, tmp_path) as cluster:
        with Load(cluster.own_url) as load:
            cluster.ledger.wait_count(30)
            cluster.create("nap", TAIL, due_in=2)
            pair.wait_until_equal()
            pair.cut_off()
            cluster.ledger.wait_begun(*TAIL)
            cluster.wait_for_status("succeeded", *TAIL)
            pair.lose_primary()
            pair.promote()

            eventually(lambda: cluster.value(WITNESSES), until=lambda told: bool(told == 2))
            assert "may be lost" in (why_on_hold(cluster) or "")
            assert_nothing_begins(cluster)
            statuses = cluster.statuses()
            assert [statuses[serial] for serial in TAIL] == ["interrupted"] * len(TAIL)
            late = "select count(*) from fcs.late_reports where status = 'succeeded'"
            assert cluster.value(late) >= len(TAIL)
            said = cluster.run("status", "--database", pair.url())
            assert said.exit_code() == 0
            assert "fcs adopt" in said.log()

            adopt(cluster, pair.url())
            cluster.create("nap", [-1])
            cluster.wait_for_status("succeeded", -1)
        cluster.wait_until_settled()
        lost = set(load.acknowledged) - cluster.statuses().keys()
        assert lost, "nothing was lost; so this test shows nothing"
        cluster.assert_promise_kept()


def test_a_standby_that_has_not_heard_of_the_first_begin_is_put_on_hold(tmp_path: Path) -> None:
    """F-79: it has the tasks, and nobody had begun any of them when it was cut off."""
    with Pair(tmp_path / "pair", synchronous=False) as pair:
        url = pair.url(target_session_attrs="read-write")
        with Cluster(url, tmp_path, told=pair.url()) as cluster:
            assert cluster.run("init", "--database", pair.url()).exit_code() == 0
            cluster.create("nap", TAIL)
            pair.wait_until_equal()
            pair.cut_off()
            cluster.start(workers=1)
            cluster.wait_for_status("succeeded", *TAIL)
            for process in cluster.processes:
                process.kill()
            pair.lose_primary()
            pair.promote()

            cluster.supervise()
            cluster.work()
            assert "may be lost" in (eventually(lambda: why_on_hold(cluster)) or "")
            assert_nothing_begins(cluster)
            assert cluster.ledger.begun() == dict.fromkeys(TAIL, 1)


@pytest.mark.parametrize("way", ["base backup", pytest.param("dump", marks=pytest.mark.nightly)])
def test_a_copy_begins_nothing_until_it_is_adopted(
    own_postgres: Postgres, tmp_path: Path, way: str
) -> None:
    """F-80: in the copy tasks wait that run in the original."""
    original_folder, copy_folder = tmp_path / "original", tmp_path / "copied"
    gate = tmp_path / "gate"
    original_folder.mkdir()
    copy_folder.mkdir()
    other = Postgres(tmp_path / "other")
    try:
        with Cluster(own_postgres.url(), original_folder) as original:
            assert original.run("init", "--database", original.url).exit_code() == 0
            original.start(workers=1, slots=2)
            original.create("hold", [1, 2], gate=str(gate))
            original.ledger.wait_begun(1, 2)
            original.create("nap", range(10, 20))
            if way == "base backup":
                copy(own_postgres, other)
                other.start()
                promote(other)
            else:
                other.start()
                restore(own_postgres, other)
            gate.touch()
            original.wait_for_status("succeeded", *range(10, 20))

            quick = {"FCS_LEASE": "3"}
            with Cluster(other.url(), copy_folder, environment=quick) as copied:
                copied.supervise()
                copied.work()
                eventually(lambda: why_on_hold(copied))
                assert_nothing_begins(copied)
                assert copied.ledger.begun() == {}

                # Who wants none of it to run here says so before.
                cancelling = copied.run(
                    "task", "cancel", "--status", "pending", "-y", "--database", copied.url
                )
                assert cancelling.exit_code() == 0
                assert "Adopted" in adopt(copied, copied.url)
                copied.create("nap", [-1])
                copied.wait_for_status("succeeded", -1)
                copied.wait_until_settled()
                assert copied.ledger.begun() == {-1: 1}
                assert copied.statuses() == {
                    **dict.fromkeys([1, 2], "interrupted"),
                    **dict.fromkeys(range(10, 20), "cancelled"),
                    -1: "succeeded",
                }
            original.assert_promise_kept(slots=2)
    finally:
        other.stop("immediate")


def restore(source: Postgres, target: Postgres) -> None:
    """Back up the one server, and restore it on the other."""
    programs = source.bin_dir
    dump = subprocess.run(
        [programs / "pg_dump", "--dbname", source.url()], check=True, capture_output=True
    )
    subprocess.run(
        [programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", target.url()],
        input=dump.stdout,
        check=True,
        capture_output=True,
        env=os.environ | {"PGOPTIONS": "-c client_min_messages=error"},
    )


def test_of_several_servers_the_one_that_takes_writes_is_asked(tmp_path: Path) -> None:
    """F-17, however they are listed."""
    with Pair(tmp_path / "pair", synchronous=False) as pair:
        hosts = str(psycopg.conninfo.conninfo_to_dict(pair.url())["host"]).split(",")
        url = f"host={','.join(reversed(hosts))} user=postgres dbname=postgres"
        with Cluster(pair.primary.url(), tmp_path, told=url) as cluster:
            assert cluster.run("init", "--database", url).exit_code() == 0
            doctor = cluster.run("doctor", "--database", url)
            assert doctor.exit_code() == 0, doctor.log()
            assert f"{hosts[1]}:5432,{hosts[0]}:5432/postgres" in doctor.log()

            standby = cluster.run("doctor", "--database", pair.standby.url())
            assert standby.exit_code() == 2
            assert "this is a standby" in standby.log()
