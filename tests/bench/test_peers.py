"""Peers: what they say is a figure only if it is one, and what cannot be had is said."""

import json
import os
import re
import select
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench.bar import Sample, medians
from bench.peers import PEERS, Peer, common
from bench.peers.environment import NotMeasured, last_line, python_of
from bench.peers.run import Answer, ask, understand
from bench.peers.table import comparison

PYTHON = Path(sys.executable)


def peer(folder: Path, script: str = "", requirements: str = "") -> Peer:
    (folder / "bench_peer.py").write_text(script)
    (folder / "requirements.txt").write_text(requirements)
    return Peer("Fake", str(folder), drained=7, settings="", keeps="", promises="")


# What is pinned


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_package_of_a_peer_is_pinned(peer: Peer) -> None:
    lines = peer.requirements.read_text("utf-8").splitlines()

    assert all(re.fullmatch(r"[\w.-]+==[\d.]+", line) for line in lines)
    assert peer.version


# Answers


def test_an_answer_is_a_figure_with_its_unit(tmp_path: Path) -> None:
    said = b'{"measure": "latency", "unit": "ms", "value": 1.5, "p99": 3.0}\n'

    assert understand(peer(tmp_path), "latency", said) == Answer(
        measure="latency", unit="ms", value=1.5, p99=3.0
    )


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"12000",
        b"Traceback",
        b'{"measure": "drain", "unit": "/s"}',
        b'{"measure": "enqueue", "unit": "/s", "value": 12000}',
        b'{"measure": "drain", "unit": "/s", "value": 0}',
        b'{"measure": "drain", "unit": "/s", "value": 1}\n{"measure": "drain"}',
    ],
)
def test_nothing_else_is_taken_for_a_figure(said: bytes, tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match=r"Fake .*drain"):
        understand(peer(tmp_path), "drain", said)


async def test_a_peer_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    echo = """
import json, sys
_, measure, _, url, _, tasks = sys.argv
assert url == "postgresql:///x"
print(json.dumps({"measure": measure, "unit": "/s", "value": int(tasks)}))
"""
    answer = await ask(peer(tmp_path, echo), PYTHON, "drain", url="postgresql:///x", tasks=7)

    assert answer == Answer(measure="drain", unit="/s", value=7)


async def test_a_peer_that_fails_is_not_measured_and_its_last_words_are_kept(
    tmp_path: Path,
) -> None:
    failing = peer(tmp_path, "import sys; sys.exit('of 7 tasks 6 ran')")

    with pytest.raises(NotMeasured, match="Fake failed at drain: of 7 tasks 6 ran"):
        await ask(failing, PYTHON, "drain", url="postgresql:///x", tasks=7)


async def test_what_a_peer_started_ends_with_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    leaving = f"""
import json, subprocess
subprocess.Popen(["sleep", "600"], stdout=open({str(pipe)!r}, "w"), stderr=subprocess.DEVNULL)
print(json.dumps({{"measure": "drain", "unit": "/s", "value": 1}}))
"""
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await ask(peer(tmp_path, leaving), PYTHON, "drain", url="postgresql:///x", tasks=7)

        readable, _, _ = select.select([held], [], [], 30)  # at the end, when nobody holds it
        assert readable
        assert os.read(held, 1) == b""
    finally:
        os.close(held)


# Environments


@pytest.mark.slow
def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    without_needs = peer(tmp_path)

    python = python_of(without_needs)
    made = python.stat()

    assert python_of(without_needs) == python
    assert python.stat() == made
    assert [*python.parents[2].iterdir()] == [python.parents[1]]


@pytest.mark.slow
def test_an_environment_that_cannot_be_made_leaves_nothing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nowhere = peer(tmp_path, requirements=f"{tmp_path}/nowhere.whl\n")

    with pytest.raises(NotMeasured, match=r"Fake cannot be installed: .*nowhere"):
        python_of(nowhere)

    assert [*(tmp_path / "cache/fcs/peers").iterdir()] == []


def test_the_last_words_of_a_program_say_what_went_wrong() -> None:
    assert last_line("Traceback\n  File x\n\nOSError: no room\n\n") == "OSError: no room"
    assert last_line("\n") == "it did not say why"


# The table


def test_the_table_shows_everybody_and_says_what_was_not_measured() -> None:
    figures = medians([Sample("drain, fcs", "/s", 60_000), Sample("drain, PgQueuer", "/s", 20_000)])

    lines = comparison(figures)

    assert "| 60,000 /s | 20,000 /s | not measured |" in lines[2]
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert PEERS[0].version in lines[0]


def test_there_is_no_table_without_peers() -> None:
    assert comparison(medians([Sample("drain, fcs", "/s", 60_000)])) == []


# The side that runs inside a peer's environment


class Scripted(common.Side):
    """A peer that runs and records what it is told to."""

    def __init__(self, url: str, *, ran: int = 5, ended: int = 5) -> None:
        super().__init__(url)
        self.ran, self.ended, self.created = ran, ended, 0

    async def install(self) -> None: ...

    async def producer(self, callers: int) -> Callable[[], Awaitable[object]]:
        return self._create

    async def create_many(self, count: int) -> None:
        self.created += count

    async def create_answer(self, port: int, sent_at: int) -> None: ...

    async def drain(self) -> int:
        return self.ran

    async def drained(self) -> tuple[int, float]:
        return self.ended, 0.5

    async def work(self, ready: Callable[[], None]) -> None: ...

    async def _create(self) -> None:
        self.created += 1


async def test_a_drain_counts_what_a_peer_recorded() -> None:
    side = Scripted("")

    assert await common.drain(side, 5) == {"value": 10.0}
    assert side.created == 5


@pytest.mark.parametrize(("ran", "ended"), [(4, 5), (5, 4), (6, 5)])
async def test_a_drain_that_lost_or_repeated_a_task_is_not_a_figure(ran: int, ended: int) -> None:
    with pytest.raises(SystemExit, match=f"of 5 tasks {ran} ran and {ended} are recorded"):
        await common.drain(Scripted("", ran=ran, ended=ended), 5)


async def test_creates_are_shared_among_callers_and_none_is_forgotten() -> None:
    side = Scripted("")

    assert (await common.enqueue32(side, 64))["value"] > 0
    assert side.created == 1 + 64  # the first one warms up


def test_the_answer_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_peer.py", "drain", "--url", "", "--tasks", "5"])

    common.main(Scripted)

    assert json.loads(capsys.readouterr().out) == {"measure": "drain", "unit": "/s", "value": 10.0}
