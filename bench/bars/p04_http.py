"""P4: how fast `POST /tasks` answers when every answer is durable."""

from bench.bar import AtLeast, Bar

BAR = Bar(
    "P4",
    "POST /tasks by 32 connections, durable before the answer",
    [],
    [AtLeast("POST /tasks, fcs", "the same server without a database", 0.6)],
)
