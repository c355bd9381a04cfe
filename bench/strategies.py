"""Strategies beside each other, and hash mode, in virtual time: `python -m bench strategies`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from bench.virtual import Cluster, Hashed, Job, Seen, Supervised, World, job, lane
from fcs.domain.strategy import Strategy

SEED = 1
TASKS = 6_000
KEYS = 50
SLOTS = 4
FLEETS = (8, 32)
COLUMNS = (
    *("Load", "Workers", "Strategy", "Tasks even", "Time even", "Wait, p50", "Wait, p99"),
    *("Messages", "Stolen", "Same worker"),
)


@dataclass(frozen=True)
class Load:
    """What is created: when, and how long it takes."""

    name: str
    busy: float
    """The share of all slots that it keeps busy."""
    seconds: float
    """The mean duration of a body."""
    draw: Callable[[Random], float]
    """A duration, of the mean 1."""
    burst_every: float | None = None
    """Seconds from one burst to the next; without it tasks come at random moments."""

    def jobs(self, rng: Random, *, slots: int, tasks: int) -> Iterator[Job]:
        """Tasks in order; their keys are not alike, the n-th is drawn in proportion to 1 / n."""
        keys = [f"key-{n}" for n in range(1, KEYS + 1)]
        weights = [1 / n for n in range(1, KEYS + 1)]
        rate = self.busy * slots / self.seconds
        moment = 0.0
        for number in range(tasks):
            if self.burst_every:
                burst = int(number / (rate * self.burst_every))
                moment = (burst + 1) * self.burst_every + rng.uniform(0, 0.01)
            else:
                moment += rng.expovariate(rate)
            [key] = rng.choices(keys, weights)
            yield job(rng, moment, self.seconds * self.draw(rng), key)


def _heavy(rng: Random) -> float:
    """Log-normal: half take less than a third of the mean, one in a hundred ten times as much."""
    sigma = 1.5
    return min(200.0, rng.lognormvariate(-sigma * sigma / 2, sigma))


LOADS = (
    Load("short", 0.7, 0.1, lambda rng: rng.uniform(0.25, 1.75)),
    Load("heavy tail", 0.8, 1.0, _heavy),
    Load("bursts", 0.5, 0.1, lambda rng: rng.uniform(0.5, 1.5), burst_every=2.0),
)


def run(load: Load, workers: int, strategy: Strategy | None, *, tasks: int) -> Seen:
    """Let a cluster do so many tasks; without a strategy, in hash mode."""
    world = World(SEED)
    cluster: Cluster
    if strategy is None:
        cluster = Hashed(world, workers, SLOTS)
    else:
        lanes = [lane(f"key-{n}") for n in range(1, KEYS + 1)]
        cluster = Supervised(world, workers, SLOTS, lanes, strategy)
    for each in load.jobs(Random(SEED), slots=workers * SLOTS, tasks=tasks):
        world.after(each.created_at, partial(cluster.create, each))
    world.run(tasks)
    return world.seen


def block(*, tasks: int = TASKS) -> str:
    """Markdown: a line for each load, number of workers and strategy."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for load in LOADS:
        for workers in FLEETS:
            lines += rows(load, workers, tasks=tasks)
    return "\n".join([*lines, ""])


def rows(load: Load, workers: int, *, tasks: int = TASKS) -> Iterator[str]:
    """The lines of one load on so many workers."""
    for strategy in (*Strategy, None):
        seen = run(load, workers, strategy, tasks=tasks)
        name = strategy.replace("_", " ") if strategy else "hash mode"
        stolen = "" if strategy else f"{seen.steals / tasks:.1%}"
        back = f"{seen.came_back / tasks:.0%}"
        cells = [load.name, str(workers), name, *_figures(seen, workers, tasks), stolen, back]
        yield f"| {' | '.join(cells)} |"


def _figures(seen: Seen, workers: int, tasks: int) -> Sequence[str]:
    waits = sorted(seen.waits)
    return [
        f"{fairness(seen.tasks.values(), workers):.3f}",
        f"{fairness(seen.busy.values(), workers):.3f}",
        f"{1_000 * waits[tasks // 2]:,.1f} ms",
        f"{1_000 * waits[tasks * 99 // 100]:,.1f} ms",
        f"{seen.messages / tasks:.2f}",
    ]


def fairness(shares: Iterable[float], count: int) -> float:
    """The index of Jain, Chiu and Hawe (1984) among so many, of whom some may have nothing.

    It is 1 when all have the same, and 1/n when one of n has everything.
    """
    xs = list(shares)
    return sum(xs) ** 2 / (count * sum(x * x for x in xs))
