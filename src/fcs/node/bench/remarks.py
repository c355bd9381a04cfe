"""What looks slow, why, and what would help: from the figures and what is known around them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

SLOW_COMMIT = 5.0
SLOW_TRIP = 1.0
SMALL_BUFFERS_MB = 32
OLD_SNAPSHOT = 60.0
LOW_SHARE = 0.15
FEW_SLOTS = 200
UNSTEADY = 1.5
LATE = 30.0

HOLLOW = ("fsync", "full_page_writes", "synchronous_commit")


class Surroundings(NamedTuple):
    """What is known of the server and of the way to it. Times in milliseconds, but the age of a
    snapshot in seconds.
    """

    settings: Mapping[str, str]
    round_trip: float
    oldest_snapshot: float | None
    cores: int
    slots: int


class Measured(NamedTuple):
    """A figure by its name: the median, and the rounds it came from."""

    value: float
    rounds: Sequence[float]


def remarks(figures: Mapping[str, Measured], around: Surroundings) -> list[str]:
    """One sentence on each thing that stands out, with what to do."""
    return [
        *_hollow(around),
        *_commits(figures, around),
        *_draining(figures, around),
        *_waiting(figures, around),
        *_server(around),
        *_unsteady(figures),
    ]


def _hollow(around: Surroundings) -> Iterator[str]:
    for name in HOLLOW:
        if around.settings.get(name) == "off":
            yield (
                f"{name} is off: the figures are better than a server that survives a crash"
                f" would give. Turn it on and measure again."
            )


def _commits(figures: Mapping[str, Measured], around: Surroundings) -> Iterator[str]:
    inserts = figures.get("raw insert and commit")
    if inserts is None or (each := 1_000 / inserts.value) < SLOW_COMMIT:
        return
    if around.round_trip > each / 2:
        yield (
            f"A lone insert takes {each:.1f} ms, most of it on the way: a round trip to the server"
            f" takes {around.round_trip:.1f} ms. Measure from a machine beside it."
        )
    else:
        yield (
            f"A lone insert takes {each:.1f} ms and the way to the server {around.round_trip:.1f}"
            " ms of it: its disk is slow to make a commit durable, or a standby is waited for."
            " Look at the disk under the write-ahead log."
        )


def _draining(figures: Mapping[str, Measured], around: Surroundings) -> Iterator[str]:
    drain, raw = figures.get("drain"), figures.get("raw lifecycle")
    if drain is None or raw is None or drain.value >= LOW_SHARE * raw.value:
        return
    share = f"The drain reaches {drain.value / raw.value:.0%} of what the server can do"
    if around.slots < FEW_SLOTS:
        yield f"{share}: {around.slots} slots are few for short tasks. Give --slots 4000."
    elif around.round_trip > SLOW_TRIP:
        yield (
            f"{share}: each step of a batch waits {around.round_trip:.1f} ms for the way to the"
            " server. Measure from a machine beside it, or give more --workers."
        )
    else:
        yield (
            f"{share}: supervisor, workers and server want processors of their own, and this"
            f" machine has {around.cores}. Look with top, and measure with nothing else on it."
        )


def _waiting(figures: Mapping[str, Measured], around: Surroundings) -> Iterator[str]:
    p50 = figures.get("latency p50")
    if p50 is not None and p50.value > LATE:
        yield (
            f"A lone task waits {p50.value:.0f} ms for its start: three statements, one after the"
            f" other, each with a commit and {around.round_trip:.1f} ms of way. Notifications that"
            " a pooler swallows look like this too: `fcs doctor` tells."
        )


def _server(around: Surroundings) -> Iterator[str]:
    if around.settings.get("autovacuum") == "off":
        yield (
            "autovacuum is off: dead rows of tasks that ended pile up, and every scan walks over"
            " them. Turn it on."
        )
    if (age := around.oldest_snapshot) is not None and age > OLD_SNAPSHOT:
        yield (
            f"A transaction has kept its snapshot for {age:.0f} s in the database that you named:"
            " dead rows cannot be removed there meanwhile. `fcs doctor` says whose it is."
        )
    # In pages of 8 kB.
    buffers = int(around.settings.get("shared_buffers", 0)) / 128
    if 0 < buffers < SMALL_BUFFERS_MB:
        yield (
            f"shared_buffers is {buffers:.0f} MB: pages are read anew all the time. A quarter of"
            " the memory is usual for a server of its own."
        )


def _unsteady(figures: Mapping[str, Measured]) -> Iterator[str]:
    unsteady = [
        name
        for name, (_, rounds) in figures.items()
        if min(rounds) > 0 and max(rounds) / min(rounds) > UNSTEADY
    ]
    if unsteady:
        yield (
            f"The rounds differ by more than half ({', '.join(unsteady)}): something else uses this"
            " machine or its server. Trust the ratios, or measure again with more --rounds."
        )
