"""P6: two thousand single creates a second, for a minute."""

from bench.bar import AtLeast, Bar, Within

BAR = Bar(
    "P6",
    "2,000 single creates a second for 60 s, one worker",
    [],
    [
        AtLeast("sustained, started", "sustained, created", 0.99),
        Within("sustained, p50", 10),
        Within("sustained, p99", 50),
    ],
)
