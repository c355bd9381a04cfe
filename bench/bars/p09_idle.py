"""P9: what an idle cluster asks of its database and its processors."""

from bench.bar import Bar, Reported, Within

BAR = Bar(
    "P9",
    "idle cluster: statements a second besides heartbeats, processor time",
    [],
    [
        Within("idle, statements of a supervisor", 1),
        Within("idle, statements of a worker", 1),
        Reported("idle, CPU of a supervisor"),
        Reported("idle, CPU of a worker"),
    ],
)
