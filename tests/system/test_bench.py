"""`fcs bench` as people run it: what it prints, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager

import psycopg
import pytest
from tests.conftest import Server

from fcs.cli.program import run
from fcs.database.scratch import scratch_database
from fcs.database.testing import copied_database

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # it makes databases of its own


def start(*arguments: str, url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fcs", "bench", *arguments, "--database", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def scratch(url: str, pid: int) -> bool:
    with psycopg.connect(url) as db:
        query = "select from pg_database where starts_with(datname::text, %s)"
        return bool(db.execute(query, [f"fcs_bench_{pid}_"]).rowcount)


def test_a_mixed_load_is_measured_and_told_step_by_step(postgres: Server) -> None:
    bench = start("mixed", "--tasks", "1000", "--rounds", "1", "-o", "json", url=postgres.url())
    out, err = bench.communicate()

    assert bench.returncode == 0, err
    assert [figure["name"] for figure in json.loads(out)["figures"]] == ["mixed"]
    assert err.splitlines() == ["round 1 of 1: mixed"]
    assert not scratch(postgres.url(), bench.pid)


def test_quiet_says_nothing_but_the_figures(postgres: Server) -> None:
    bench = start("raw", "--tasks", "1000", "--rounds", "1", "-q", url=postgres.url())
    out, err = bench.communicate()

    assert (bench.returncode, err) == (0, "")
    assert "raw lifecycle" in out


def test_what_a_run_of_the_same_pid_left_is_in_nobodys_way(postgres: Server) -> None:
    with copied_database(postgres.url(), f"fcs_bench_{os.getpid()}", "template1"):
        options = ["--tasks", "1000", "--rounds", "1", "-q", "--database", postgres.url()]
        assert run(["bench", "raw", *options]) == 0


def test_all_scratch_databases_of_a_run_have_one_name(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def named(url: str, *, name: str) -> AbstractAsyncContextManager[str]:
        names.append(name)
        return scratch_database(url, name=name)

    monkeypatch.setattr("fcs.node.bench.run.scratch_database", named)
    options = ["--tasks", "1000", "--rounds", "2", "-q", "--database", postgres.url()]
    assert run(["bench", "raw", *options]) == 0

    assert len(names) >= 2
    assert len(set(names)) == 1
    assert names[0].startswith(f"fcs_bench_{os.getpid()}_")


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_ended_leaves_no_scratch_database(
    postgres: Server, sign: signal.Signals, code: int
) -> None:
    bench = start("drain", "--tasks", "100000", "--rounds", "1", url=postgres.url())
    try:
        while not scratch(postgres.url(), bench.pid):
            assert bench.poll() is None, bench.communicate()
        bench.send_signal(sign)
        bench.communicate()
    finally:
        bench.kill()

    assert bench.returncode == code
    assert not scratch(postgres.url(), bench.pid)
