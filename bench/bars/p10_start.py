"""P10: how soon a supervisor is at work before five million waiting tasks, and in what memory."""

from bench.bar import Bar, Within
from bench.bars import p13_backlog

BAR = Bar(
    "P10",
    "5,000,000 waiting: from the supervisor's start to its first dispatch, and its memory",
    [p13_backlog.drain_before_a_backlog],
    [Within("5M waiting, first dispatch", 3), Within("5M waiting, memory of the supervisor", 150)],
)
