"""What was done to processes, and what they may be excused for by it; how soon all went on."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from proof.torture.finding import Finding, Violation, quantile
from proof.torture.history import Act, History, Line, Spells, place_of

LONG_CUT: Final = 2.0
"""Seconds after which a pause or a cut may cost a worker its lease: that is longer, but a broken
connection takes its time to be noticed and made again."""

DEADLY: Final = frozenset({"kill", "leave", "leave at once"})
CUTS: Final = frozenset({"pause", "silence", "one way", "half open"})
WIRES: Final = frozenset({"silence", "one way", "half open"})
EVERYBODY: Final = frozenset({"starved", "no connections"})
"""What strikes all of them: the machine was too busy, or nobody could connect."""

LINGERS: Final = 30.0
"""Seconds for which a cut may show: what hangs on a connection that was forgotten hangs on."""

DISTURBING: Final = frozenset(
    {
        "kill", "leave", "leave at once", "pause", "silence", "one way", "half open", "slow",
        "starved", "no connections", "server stop", "backend kill", "lock", "clock", "usurp",
        "mode", "failover",
    }
)  # fmt: skip
"""While these go on, nobody promises that anything starts."""

ZOMBIE_MAX: Final = 0.5
RECOVERY_MAX: Final = 15.0
"""A lease until somebody leads, two where many workers have died, and a little for each."""

GAPS: Final = {
    "next start": "a fault until the next start",
    "kill to truth": "kill -9 of a worker until the rows tell the truth about what it ran",
    "calm to truth": "the last disturbance before that",
}
"""The seconds that are measured between two things, by the names of figures."""


def live(history: History) -> Finding:
    """C7, LIVE: when all faults are over, nothing that is due waits, and nothing hangs."""
    dumped = history.marks["dumped"] + history.to_real
    wrong = [
        Violation((row["id"],), f"hangs as {row['status']} of {row['worker'] or 'nobody'}")
        for row in history.tasks.values()
        if row["status"] in ("dispatched", "running")
        or (row["status"] == "pending" and (row["due_at"] is None or row["due_at"] <= dumped))
    ]
    return Finding("C7", "LIVE: at rest nothing waits and nothing hangs", len(history.tasks), wrong)


def recovery(history: History) -> Finding:
    """C8, LIVE: soon after a fault bodies start again; soon after a kill the truth is known."""
    wrong = []
    gaps = list(_gaps_to_next_start(history))
    truths = list(_gaps_to_truth(history))
    unrest = Spells(act for act in history.acts if act.kind in DISTURBING)
    for act, run, at in [*gaps, *truths]:
        waited = _calm_before(unrest, act, at)
        if waited > RECOVERY_MAX:
            what = f"{waited:.1f} s of calm after {act.kind} {act.no} until it went on"
            wrong.append(Violation((run,), what))
    starts = [at - act.ended for act, _, at in gaps]
    known = [at - act.ended for act, _, at in truths]
    calm = [_calm_before(unrest, act, at) for act, _, at in truths]
    figures = {
        f"{name} {which}": round(value, 3)
        for name, values in zip(GAPS, (starts, known, calm), strict=True)
        for which, value in (
            ("p50", quantile(values, 0.5)),
            ("p99", quantile(values, 0.99)),
            ("max", max(values, default=0.0)),
        )
    }
    chances = len(gaps) + len(truths)
    return Finding(
        "C8", f"LIVE: all goes on within {RECOVERY_MAX:g} s of calm", chances, wrong, figures
    )


def _calm_before(unrest: Spells, act: Act, at: float) -> float:
    """For how long nothing disturbed, until what `act` has led to."""
    return at - unrest.over(act.ended, at)


def _gaps_to_next_start(history: History) -> Iterator[tuple[Act, str, float]]:
    """After each disturbance, while tasks came in: the next start."""
    starts = iter(history.starts)
    start = next(starts, None)
    for act in sorted(history.acts, key=lambda act: act.ended):
        if act.kind not in DISTURBING or act.ended > history.marks["load over"]:
            continue
        while start is not None and start.boot < act.ended:
            start = next(starts, None)
        if start is not None:
            yield act, start.run, start.boot


def _gaps_to_truth(history: History) -> Iterator[tuple[Act, str, float]]:
    """After each kill of a worker: when the rows stopped to say that it runs what it ran."""
    for act in history.acts:
        if act.kind != "kill":
            continue
        struck = act.ended + history.to_real
        for name in act.instances:
            for begun in history.begun_by.get(history.instances[name].worker or "", ()):
                end = history.run_ends.get(begun.run or "")
                if begun.real < struck and end and end.real > struck:
                    yield act, end.run or "", end.real - history.to_real


def false_interrupts(history: History) -> Finding:
    """C9, TRUTH: interrupted is only who ran on a worker that was struck itself."""
    wrong, chances = [], 0
    for row in history.attempts:
        if row["outcome"] != "interrupted":
            continue
        chances += 1
        starts = history.started_runs.get(row["run"], ())
        task = history.tasks.get(row["task"], {})
        at = _interrupted_at(history, row)
        if task.get("ty") == "poison" or _is_excused(history, row["worker"], at, starts):
            continue
        wrong.append(
            Violation((row["task"], row["run"]), f"interrupted for no reason: {row['error']}")
        )
    for end in history.ends:
        if end["state"] == "lost":
            chances += 1
            if not _is_excused(history, end["worker"], end["real"], ()):
                wrong.append(Violation((end["worker"],), "called lost for no reason"))
    return Finding("C9", "TRUTH: only who was struck is interrupted", chances, wrong)


def _interrupted_at(history: History, row: Mapping[str, Any]) -> float:
    """By the machine's clock where the moves tell: that of the database may have been set."""
    end = history.run_ends.get(row["run"])
    if end and end.after in ("interrupted", "pending"):
        return end.real
    ended_at: float = row["ended_at"]
    return ended_at


def _is_excused(history: History, worker: str, real: float, starts: Sequence[Line]) -> bool:
    """Whether something was done to this worker that may have led to it."""
    at = real - history.to_real
    instance = history.instance_of.get(worker)
    if instance is None:
        return False
    pids = {line.pid for line in starts}
    own = history.by_place.get(place_of(instance.name), ())
    everybodys = chain.from_iterable(history.by_kind.get(kind, ()) for kind in EVERYBODY)
    return any(
        act.began <= at and _excuses(act, at, pids)
        for act in chain(own, everybodys)
        if act.kind in EVERYBODY or strikes(act, instance.name)
    )


def strikes(act: Act, name: str) -> bool:
    """Whether it is done to this process, or to the wire that it has inherited."""
    if act.kind in WIRES:
        return place_of(name) in map(place_of, act.instances)
    return name in act.instances


def _excuses(act: Act, at: float, pids: set[int]) -> bool:
    if act.kind in DEADLY:
        return True
    if act.kind == "kill child":
        return act.pid in pids
    is_recent = act.ended >= at - LINGERS
    if act.kind in EVERYBODY:
        return is_recent
    is_forgotten = act.detail.get("healing") == "FORGOTTEN"
    return act.kind in CUTS and is_recent and (act.seconds >= LONG_CUT or is_forgotten)


def zombies(history: History) -> Finding:
    """C11, TRUTH: no body of a worker that was killed goes on."""
    wrong, chances = [], 0
    for act in history.acts:
        if act.kind == "kill":
            chances += len(act.instances)
            wrong += [
                Violation((line.run,), f"{line.mark} {line.boot - act.ended:.3f} s after kill -9")
                for name in act.instances
                for line in history.by_process.get(name, ())
                if line.boot > act.ended + ZOMBIE_MAX
            ]
    return Finding("C11", "TRUTH: nothing goes on after its worker's kill -9", chances, wrong)


def held(history: History) -> Finding:
    """C12, HOLD: on a database that may have forgotten something nothing starts until `adopt`."""
    wrong, chances = [], 0
    for act in history.acts:
        if act.kind == "forgetful failover":
            chances += 1
            wrong += [
                Violation((line.run,), f"started {line.boot - act.began:.1f} s into a hold")
                for line in history.starts
                if act.began < line.boot < act.ended
            ]
    return Finding("C12", "HOLD: nothing starts before an adoption", chances, wrong)


CLASSIFIED: Final = ("task failed: ",)
"""Lines after which a traceback is that of a body."""

FAILED: Final = 1
LEAVING_CODES: Final = frozenset({0, 130, 143, -15, -9, 5, 69})
"""Asked to leave, at once, before it had started; killed; lost its lease or its id; no database."""


def logs(history: History) -> Finding:
    """C13, SEC: no traceback that nobody planned, no secret, no process that ends by itself."""
    wrong = []
    for name, text in history.logs.items():
        wrong += [
            Violation((name,), f"a traceback that nobody planned, line {number}")
            for number in _unplanned(text)
        ]
        wrong += [
            Violation((name,), "a secret stands in it")
            for secret in history.secrets
            if secret in text
        ]
    wrong += [
        Violation((one.name,), f"ended by itself with code {one.code}")
        for one in history.instances.values()
        if one.code is not None
        and one.code not in LEAVING_CODES
        and not _was_robbed(history, one.name)
    ]
    chances = len(history.logs) + len(history.instances)
    return Finding("C13", "SEC: no log holds a surprise or a secret", chances, wrong)


def _was_robbed(history: History, name: str) -> bool:
    """Whether its child processes were killed: a worker that cannot have its first one leaves."""
    return history.instances[name].code == FAILED and any(
        act.kind == "kill child" and name in act.instances for act in history.acts
    )


def _unplanned(text: str) -> Iterator[int]:
    said = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("Traceback (most recent call last)"):
            if not any(word in said for word in CLASSIFIED):
                yield number
        elif line.strip():
            said = line
