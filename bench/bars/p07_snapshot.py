"""P7: the drain beside a transaction that keeps every dead row for a minute."""

from bench.bar import AtLeast, Bar

BAR = Bar(
    "P7",
    "drain with an old snapshot held open for 60 s, backlog of 10,000 and of a million",
    [],
    [
        AtLeast("snapshot held, 10k, last 10 s", "snapshot held, 10k, first 10 s", 0.9),
        AtLeast("snapshot held, 1M, last 10 s", "snapshot held, 1M, first 10 s", 0.9),
    ],
)
