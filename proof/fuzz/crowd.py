"""Crowds: many connections that keep a server busy with as little as they can."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Final, NamedTuple

from tests.system.harness import eventually

from proof.fuzz.cases import BEGUN, LIVE
from proof.fuzz.pack import GROWTH_MAX, Bystander
from proof.fuzz.report import Report
from proof.fuzz.scene import Scene
from proof.fuzz.wire import Address, exchange, request

HUNG_UP_WITHIN: Final = 60.0
"""Seconds after which the server must have had enough of whoever does not go on."""

SERVED: Final = 20
"""Requests of somebody else that must be answered meanwhile."""

READERS: Final = 8
LARGE: Final = 60_000
"""Bytes in each of the hundred tasks that those ask for who do not read the answer."""


class Crowd(NamedTuple):
    """Each of them says this and then nothing more; `reads` whether it takes the answer."""

    name: str
    says: bytes
    reads: bool = True


CROWDS: Final = (
    Crowd("say nothing", b""),
    Crowd("begin a head", BEGUN),
    Crowd("begin a header", BEGUN + b"X: y"),
    Crowd("begin a body", request("POST", "/tasks", b" " * 1_000)[:-900]),
    Crowd("begin a second request", LIVE + BEGUN),
)
SLOW_READERS: Final = Crowd("do not read", request("GET", "/tasks?limit=100&ty=note"), reads=False)


def run(scene: Scene, *, size: int, long: bool) -> Report:
    """Let the crowds come, one after the other. In the long form they stay until they are seen off,
    and some come who do not read what they asked for."""
    report = Report("crowds")
    before = scene.memory()
    for crowd in CROWDS:
        _let_come(scene, crowd, size, report, stays=long)
    if long:
        _fill(scene.address)
        before = scene.memory()
        _let_come(scene, SLOW_READERS, READERS, report, stays=True)
    growth = scene.memory() - before
    report.figures["growth of the server, kB"] = growth // 1024
    # What was sent to those who did not read has been given back by then, if not all at once.
    report.check(growth < 2 * GROWTH_MAX, f"the server grew by {growth:,} bytes")
    return report


def _let_come(scene: Scene, crowd: Crowd, size: int, report: Report, *, stays: bool) -> None:
    report.tried += size
    with gathered(scene.address, crowd, size) as lines, Bystander(scene.address) as other:
        eventually(lambda: other.failures or len(other.seconds) >= SERVED)
        if stays:
            left = see_off(lines)
            report.check(left == 0, f"{left} that {crowd.name} were still there after a minute")
    report.violations += [f"while {size} {crowd.name}: {what}" for what in other.failures]
    report.figures[f"p99 while {size} {crowd.name}, ms"] = round(other.p99, 1)


@contextmanager
def gathered(address: Address, crowd: Crowd, size: int) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has said what it has to say."""
    with ExitStack() as stack:
        lines = []
        for _ in range(size):
            line = stack.enter_context(socket.socket())
            if not crowd.reads:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            line.settimeout(HUNG_UP_WITHIN)
            line.connect(address)
            line.sendall(crowd.says)
            lines.append(line)
        yield lines


def see_off(lines: list[socket.socket]) -> int:
    """How many are still connected when the server should have had enough of all of them.

    They are not read: a connection that was ended is seen from what may no more be sent.
    """
    give_up_at = monotonic() + HUNG_UP_WITHIN
    while (left := [line for line in lines if _is_open(line)]) and monotonic() < give_up_at:
        sleep(0.05)
    return len(left)


def _is_open(line: socket.socket) -> bool:
    state = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == _ESTABLISHED


_ESTABLISHED: Final = 1


def _fill(address: Address) -> None:
    """Create the tasks of which a page is large."""
    body = b'{"def":{"ty":"note","anything":"%s"}}' % (b"x" * LARGE)
    for _ in range(100):
        exchange(address, request("POST", "/tasks", body))
