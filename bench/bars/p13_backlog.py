"""P13: the drain does not slow down with what waits behind it."""

from bench.bar import AtLeast, Bar

BAR = Bar(
    "P13",
    "drain rate with 10,000 to 5,000,000 waiting",
    [],
    [
        AtLeast("drain of 100k waiting", "drain of 10k waiting", 0.85),
        AtLeast("drain of 1M waiting", "drain of 10k waiting", 0.85),
        AtLeast("drain of 5M waiting", "drain of 10k waiting", 0.85),
    ],
)
