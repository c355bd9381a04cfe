"""Sends the pack to a real server, while somebody else wants to be served as well."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from statistics import quantiles
from time import monotonic
from types import TracebackType
from typing import Final, Self

from proof.fuzz.bodies import all_bodies, long_ones
from proof.fuzz.cases import TASK, Case, all_cases
from proof.fuzz.report import Report
from proof.fuzz.scene import Scene
from proof.fuzz.wire import Address, Answer, exchange, request, statuses

GROWTH_MAX: Final = 20 * 1024 * 1024
"""Bytes by which the server may grow while it is sent what it has seen before."""

AGAIN: Final = 2
"""Every so many of the cases are sent again."""

SECRETS: Final = (b"Traceback", b"psycopg", b"postgres", b".py", b"/src/", b"select ", b"fcs.tasks")
"""What no refusal may tell."""


class Bystander:
    """An honest client: creates a task and lists some, again and again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.seconds: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def p99(self) -> float:
        """Milliseconds within which 99 of 100 were served."""
        if len(self.seconds) < 2:
            return 0.0
        return 1_000 * quantiles(self.seconds, n=100, method="inclusive")[98]

    def _ask(self) -> None:
        wishes = [(request("POST", "/tasks", TASK), 201), (request("GET", "/tasks?limit=2"), 200)]
        turn = 0
        while not self._over.wait(0.01):
            data, expected = wishes[turn % 2]
            turn += 1
            began = monotonic()
            try:
                found = statuses(exchange(self._address, data), 1)
            except OSError as error:
                self.failures.append(str(error))
                continue
            self.seconds.append(monotonic() - began)
            if found != (expected,):
                self.failures.append(f"answered {found} instead of {expected}")


def pack(*, long: bool, rng: Random) -> list[Case]:
    """All cases in any order; without those that wait, unless it is to be long."""
    found = [case for case in [*all_cases(), *all_bodies()] if long or not case.waits]
    rng.shuffle(found)
    return found


def run(scene: Scene, cases: Sequence[Case]) -> Report:
    """Send everything, and look what came of it; then some of it again, which may cost nothing."""
    report = Report("cases")
    _warm_up(scene.address)
    with Bystander(scene.address) as other, ThreadPoolExecutor(40) as pool:
        slow = [pool.submit(try_one, scene.address, case) for case in cases if case.waits]
        found = [try_one(scene.address, case) for case in cases if not case.waits]
        found += [future.result() for future in slow]
    report.tried = len(cases)
    report.violations += [what for what in found if what]
    report.violations += [f"somebody else: {what}" for what in other.failures]
    report.check(len(other.seconds) > 0, "nobody else was served")
    # What it takes to serve all this for the first time is not what grows.
    before = scene.memory()
    for case in cases[::AGAIN]:
        if not case.waits:
            try_one(scene.address, case)
    growth = scene.memory() - before
    report.check(growth < GROWTH_MAX, f"the server grew by {growth:,} bytes")
    report.figures |= {
        "requests": sum(len(case.answers) for case in cases),
        "served to somebody else": len(other.seconds),
        "p99 of somebody else, ms": round(other.p99, 1),
        "growth of the server, kB": growth // 1024,
    }
    return report


def try_one(address: Address, case: Case) -> str | None:
    """What is wrong with how a case was answered."""
    try:
        found = exchange(address, case.data, answers=len(case.answers))
    except (OSError, ValueError) as error:
        return f"{case.name}: {type(error).__name__}: {error}"
    seen = statuses(found, len(case.answers))
    if not case.is_answered_by(seen):
        body = found[-1].body[:200] if found else b""
        return f"{case.name}: answered {seen} instead of {case.answers}: {body!r}"
    wrong = next(filter(None, (fault_of(answer, case.data) for answer in found)), None)
    return f"{case.name}: {wrong}" if wrong else None


def fault_of(answer: Answer, asked: bytes) -> str | None:
    """What is wrong with a refusal by itself: each is a problem document that tells no secret,
    but for what somebody has asked for."""
    if answer.status < 400:
        return None
    if answer.header("content-type") != "application/problem+json":
        return f"{answer.status} is no problem document"
    problem = json.loads(answer.body)
    if problem["status"] != answer.status or not problem["code"]:
        return f"{answer.status} says it is {problem['status']}"
    told = [one.decode() for one in SECRETS if one in answer.body and one not in asked]
    return f"{answer.status} tells {told}" if told else None


def _warm_up(address: Address) -> None:
    """Let the server take what it takes to serve anybody, the largest right requests included."""
    for data in (request("POST", "/tasks", TASK), request(), request("GET", "/openapi.json")):
        for _ in range(50):
            exchange(address, data)
    for case in long_ones():
        exchange(address, case.data)
