"""One module for each bar; `ALL` in the order of the table."""

from bench.bar import Bar
from bench.bars import (
    p01_drain,
    p02_workers,
    p03_enqueue,
    p04_http,
    p05_latency,
    p06_sustained,
    p07_snapshot,
    p08_fleet,
    p09_idle,
    p10_start,
    p11_written,
    p12_import,
    p13_backlog,
)

ALL: tuple[Bar, ...] = (
    p01_drain.BAR,
    p02_workers.BAR,
    p03_enqueue.BAR,
    p04_http.BAR,
    p05_latency.BAR,
    p06_sustained.BAR,
    p07_snapshot.BAR,
    p08_fleet.BAR,
    p09_idle.BAR,
    p10_start.BAR,
    p11_written.BAR,
    p12_import.BAR,
    p13_backlog.BAR,
)
