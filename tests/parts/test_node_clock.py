"""The local clock: it goes on while the machine sleeps."""

import time

import pytest

from fcs.node.clock import boot_seconds


def test_where_a_mac_sleeps_the_clock_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("time.CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr("time.clock_gettime", {time.CLOCK_MONOTONIC: 42.0}.__getitem__)
    assert boot_seconds() == 42.0
