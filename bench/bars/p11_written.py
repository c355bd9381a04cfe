"""P11: what a finished task leaves in the write-ahead log, and how many commits it took."""

from bench.bar import Bar, Reported
from bench.bars import p01_drain

BAR = Bar(
    "P11",
    "write-ahead log and commits for each finished task, under load",
    [p01_drain.drain],
    [Reported("drain, WAL"), Reported("drain, commits")],
)
