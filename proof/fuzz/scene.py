"""The cluster that is fuzzed: real processes on a real Postgres, and a look at how they are."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from tests.system.harness import Cluster, Process, Worker, eventually

from proof.fuzz.wire import TOKEN, Address, exchange, request
from proof.ledger import ROOT

APP: Final = "proof.fuzz.app:app"
SLOTS: Final = 4


class Scene(NamedTuple):
    """A supervisor, workers, and one of them beside which answers HTTP to whoever shows the token.

    That one serves a queue of its own, so that it grows by what comes in at its door and by
    nothing else.
    """

    cluster: Cluster
    door: Process
    workers: list[Worker]
    address: Address

    def memory(self) -> int:
        """How many bytes of real memory the process has that answers HTTP."""
        return memory_of(self.door)

    def log_lines(self) -> int:
        """How many lines all processes have written so far."""
        return sum(process.log().count("\n") for process in self.cluster.processes)

    def incarnations(self) -> list[UUID]:
        """Those of the workers."""
        query = "select incarnation from fcs.workers where id = any(%(ids)s)"
        rows = self.cluster.rows(query, {"ids": [worker.id for worker in self.workers]})
        return [incarnation for (incarnation,) in rows]

    def dead(self) -> list[str]:
        """Which processes are not there any more."""
        return [process.name for process in self.cluster.processes if not process.is_alive]


@contextmanager
def opened(url: str, folder: Path, *, workers: int = 1) -> Iterator[Scene]:
    """Start everything on a migrated database. At the end each process must still be there."""
    tokens = folder / "tokens"
    tokens.write_text(f"# for the fuzz\n{TOKEN}\n")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with Cluster(url, folder, environment={"PYTHONPATH": path}) as cluster:
        cluster.supervise()
        listens = ("--listen", "127.0.0.1:0", "--token-file", str(tokens), "--queue", "door")
        door = cluster.work(*listens, app=APP, slots=SLOTS)
        hired = [cluster.work(app=APP, slots=SLOTS) for _ in range(workers)]
        cluster.wait_for_workers(door, *hired)
        cluster.wait_for_supervisors(1)
        yield Scene(cluster, door.process, hired, _address(cluster, door))


def _address(cluster: Cluster, worker: Worker) -> Address:
    query = "select listen from fcs.workers where id = %(id)s"
    host, _, port = eventually(lambda: cluster.value(query, {"id": worker.id})).rpartition(":")
    return host, int(port)


def describe(address: Address) -> Mapping[str, Any]:
    """The description that the server gives of itself."""
    [answer] = exchange(address, request("GET", "/openapi.json"))
    description: Mapping[str, Any] = json.loads(answer.body)
    return description


def memory_of(process: Process) -> int:
    """Bytes of real memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
