"""The first steps, word for word: a Postgres, a supervisor, three workers, two curl lines."""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from tests.conftest import Plant
from tests.system.harness import Cluster, eventually

from fcs.embedded import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # the seed knows no pooler


@pytest.fixture
def url(tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An ordinary Postgres on TCP with a database `db`; the user is left to the environment."""
    port = free_port()
    with Postgres(plant(tmp_path / "postgres"), listen=("127.0.0.1", port)) as server:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("create database db")
        login = urlsplit(server.tcp_url())
        monkeypatch.setenv("PGUSER", login.username or "")
        monkeypatch.setenv("PGPASSWORD", login.password or "")
        yield f"postgres://127.0.0.1:{port}/db"


def test_the_first_steps_work_as_written(url: str, tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    ids = [uuid4() for _ in range(3)]
    bar_asks = {"FCS_BAR_URL": f"http://127.0.0.1:{ports[0]}/healthz"}
    with Cluster(url, tmp_path, environment=bar_asks) as cluster:
        assert cluster.run("init", "--database", url).exit_code() == 0
        cluster.run("supervise", "--database", url)
        for id, port in zip(ids, ports, strict=True):
            listen = f"127.0.0.1:{port}"
            cluster.run("work", "--database", url, "--listen", listen, "--id", str(id))
        eventually(lambda: cluster.value("select count(*) from fcs.workers") == 3)

        created = post(ports[0], '{ "def": { "ty": "baz" } }')
        [task] = eventually(lambda: get(ports[2]), until=have_all_ended)
        assert task["id"] == created["id"]
        assert task["def"] == {"ty": "baz"}
        assert task["status"] == "succeeded"
        assert UUID(task["worker_id"]) in ids
        assert task["scheduled_at"] is None
        assert {"created_at", "updated_at"} <= task.keys()

        for port in ports:
            for ty in ("foo", "bar", *["baz"] * 10):
                post(port, json.dumps({"def": {"ty": ty}}))
        listed = eventually(lambda: get(ports[1]), until=have_all_ended)
        assert len(listed) == 1 + 3 * 12
        assert {task["status"] for task in listed} == {"succeeded"}
        assert {UUID(task["worker_id"]) for task in listed} == set(ids)


def post(port: int, body: str) -> Any:
    return curl(
        f"localhost:{port}/tasks", "-X", "POST", "-H", "Content-Type: application/json", "-d", body
    )


def get(port: int) -> Any:
    return curl(f"localhost:{port}/tasks")


def curl(url: str, *options: str) -> Any:
    """Ask with the very program that the first steps name, where it is installed."""
    if shutil.which("curl"):
        command = ["curl", "--silent", "--show-error", "--fail", *options, url]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    request = urllib.request.Request(f"http://{url}", headers={"Content-Type": "application/json"})
    if options:
        request.data = options[-1].encode()
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def have_all_ended(tasks: list[dict[str, Any]]) -> bool:
    return all(task["status"] not in ("pending", "dispatched", "running") for task in tasks)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
