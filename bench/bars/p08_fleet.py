"""P8: two hundred workers against ten, with as many slots in all."""

from bench.bar import AtLeast, Bar, Within

BAR = Bar(
    "P8",
    "200 workers against 10, the same number of slots in all",
    [],
    [
        AtLeast("drain by 200 workers", "drain by 10 workers", 0.9),
        Within("notifying commits of 200 workers", 200),
    ],
)
