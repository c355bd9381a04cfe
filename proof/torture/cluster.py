"""One torture from the first process to the final tables."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import psycopg

from proof.ledger import ROOT
from proof.torture import events
from proof.torture.books import Book, boot_time
from proof.torture.keeper import Keeper, address_of, cluster
from proof.torture.nemesis import Nemesis
from proof.torture.servers import Servers
from proof.torture.wire import Board
from proof.torture.world import World

UNFINISHED: Final = (
    "select count(*) from fcs.tasks where status in ('pending', 'dispatched', 'running')"
)
HELD: Final = """
    select count(*)
      from fcs.workers
     where state = 'live' and (slots_busy > 0 or tasks_sent <> tasks_taken)
"""
READY: Final = """
    select count(*) from fcs.workers, fcs.leadership
     where state = 'live' and leadership.node is not null
"""
ANSWERED_WITHIN: Final = 75.0
"""Seconds after which fcs gives up a connection on which nobody answers, at the latest."""

CLIENTS_PATIENCE: Final = 120.0
"""Seconds for which a client may wait for its last answers, and ask again."""

REST_MIN: Final = 3.0
"""Seconds for which late reports may arrive, once everything has ended."""


class Plan(NamedTuple):
    """How long, how hard, how much. Times are in seconds; `pause` lies between two faults, on
    average; `ahead` is how far tasks are scheduled at the most; `rate` counts creates a second;
    for `rest_max` nothing may come to its end, when all faults are over."""

    seed: int
    seconds: float
    rate: float = 100.0
    pause: float = 0.3
    ahead: float = 20.0
    pause_max: float = 15.0
    rest_max: float = 150.0
    has_standby: bool = False
    settings: Mapping[str, str] = {}


class Patience:
    """Lasts for so many seconds after the last time that less was left than ever before.

    Who has much to catch up with, because the machine was busy with something else, is slow; only
    who gets nowhere hangs.
    """

    def __init__(self, seconds: float, at: float) -> None:
        self._seconds, self._over_at = seconds, at + seconds
        self._least: int | None = None

    def saw(self, left: int, at: float) -> None:
        """So many are left now."""
        if self._least is None or left < self._least:
            self._least, self._over_at = left, at + self._seconds

    def is_over(self, at: float) -> bool:
        return at >= self._over_at


class Torture:
    """Set up by `with`; whatever was started is gone afterwards, and the books are there."""

    def __init__(self, folder: Path, plan: Plan, *, say: Callable[[str], None]) -> None:
        self.folder, self._plan, self._say = folder, plan, say
        self._rng = Random(plan.seed)
        self._rest = ExitStack()
        self._clients: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._rest.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rest.close()

    @property
    def faults(self) -> Counter[str]:
        return self._nemesis.faults

    def run(self) -> None:
        """Load and faults, then rest, then the final tables."""
        self._say("starting")
        self._wait(READY, lambda count: count >= self._workers, 60.0)
        self._start_clients()
        self._nemesis.run(boot_time() + self._plan.seconds, say=self._say)
        self._mark("faults over")
        self._stop_clients()
        self._mark("load over")
        self._come_to_rest()
        self._mark("dumped")
        events.dump(self._servers.url(), self.folder)
        self._leave()

    def _set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "ledger").touch()
        self._book = Book(self.folder / "nemesis.jsonl")
        self._rest.callback(self._book.close)
        self._mark("begun")
        secret = f"canary-{self._rng.getrandbits(64):x}"
        self._book.write("secret", text=secret)
        self._servers = Servers(self.folder, has_standby=self._plan.has_standby)
        self._rest.callback(self._servers.stop)
        self._servers.start()
        init = [sys.executable, "-m", "fcs", "init", "--database", self._servers.url()]
        subprocess.run(init, check=True, capture_output=True, env=_environment())
        events.set_up(self._servers.url())
        self._board = Board(self._servers.url(), secret=secret)
        self._rest.callback(self._board.close)
        self._keeper = Keeper(self.folder, self._book, self._rng, settings=self._plan.settings)
        self._rest.callback(self._keeper.kill_all)
        for place in cluster(self._board, self._rng):
            self._keeper.add(place)
        self._workers = len(self._keeper.places) - 2
        self._clients_to = {name: self._board.wire(self._rng) for name in ("client-1", "client-2")}
        self._nemesis = self._make_nemesis()

    def _make_nemesis(self) -> Nemesis:
        [[clock]] = self._ask("select pg_get_functiondef('fcs.now'::regproc)")
        world = World(
            keeper=self._keeper,
            servers=self._servers,
            board=self._board,
            clients=self._clients_to,
            clock=clock,
            sprung=lambda *_, **__: None,
            pause_max=self._plan.pause_max,
            has_time=self._plan.rest_max > ANSWERED_WITHIN,
        )
        rng = Random(self._rng.getrandbits(64))
        return Nemesis(world, self._book, rng, pause=self._plan.pause)

    def _start_clients(self) -> None:
        doors = ",".join(map(address_of, (p for p in self._keeper.places if p.kind == "door")))
        ways = [("python", wire.url) for wire in self._clients_to.values()] + [("http", doors)]
        # Over HTTP somewhat less: every request is a connection of its own.
        shares = [0.4, 0.4, 0.2]
        self._rest.callback(self._kill_clients)
        for number, ((way, to), share) in enumerate(zip(ways, shares, strict=True), 1):
            command = [sys.executable, "-m", "proof.torture.load"]
            command += [str(self.folder / f"clients-{number}.jsonl")]
            command += ["--number", str(number), "--way", way, "--to", to]
            command += ["--rate", str(share * self._plan.rate), "--ahead", str(self._plan.ahead)]
            command += ["--seed", str(self._plan.seed)]
            log = self.folder / "logs" / f"client-{number}.log"
            with log.open("wb") as output:
                self._clients.append(
                    subprocess.Popen(
                        command, cwd=ROOT, env=_environment(), stdout=output, stderr=output
                    )
                )

    def _stop_clients(self) -> None:
        """Let them finish what they have asked for."""
        for client in self._clients:
            client.terminate()
        give_up_at = boot_time() + CLIENTS_PATIENCE
        while any(client.poll() is None for client in self._clients):
            assert boot_time() < give_up_at, "a client does not come to its end"
            self._tend()

    def _kill_clients(self) -> None:
        for client in self._clients:
            client.kill()
            client.wait()

    def _come_to_rest(self) -> None:
        self._execute("update fcs.cluster set mode = 'elected'")
        # Whoever leads from here on begins to watch: for the judge that is one act more.
        self._nemesis.sprung("mode", [], mode="elected")
        if not self._wait(UNFINISHED, lambda count: count == 0, self._plan.rest_max):
            self._say("it does not come to rest")
        over = boot_time() + REST_MIN
        while boot_time() < over:
            self._tend()
        self._wait(HELD, lambda count: count == 0, 15.0)

    def _leave(self) -> None:
        self._keeper.terminate_all()
        give_up_at = boot_time() + 20.0
        while not self._keeper.all_gone and boot_time() < give_up_at:
            self._tend()
        self._keeper.look()
        self._mark("over")

    def _tend(self) -> None:
        self._nemesis.tend()
        time.sleep(0.05)

    def _wait(self, query: str, until: Callable[[int], bool], seconds: float) -> bool:
        """Look until it is so, as long as it comes closer; whether it came to that."""
        patience, said_at = Patience(seconds, boot_time()), boot_time()
        while not patience.is_over(boot_time()):
            with suppress(psycopg.OperationalError):
                [[count]] = self._ask(query)
                if until(count):
                    return True
                patience.saw(count, boot_time())
                if boot_time() - said_at > 10.0:
                    said_at = boot_time()
                    self._say(f"{count:,} left")
            self._tend()
        return False

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._servers.url(), autocommit=True) as db:
            return db.execute(query.encode()).fetchall()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._servers.url(), autocommit=True) as db:
            db.execute(statement.encode())

    def _mark(self, name: str) -> None:
        self._book.write("mark", name=name)


def judge(folder: Path) -> tuple[int, str]:
    """Let the checker look at the books; its exit code and what it prints."""
    command: Sequence[str] = [
        *(sys.executable, "-m", "proof.torture.checker", str(folder)),
        *("--json", str(folder / "findings.json")),
    ]
    judging = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return judging.returncode, judging.stdout + judging.stderr


def _environment() -> dict[str, str]:
    """Ours, without settings of fcs that were meant for something else."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("FCS_")}
    return plain | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
