"""The soak: everything at once, and nothing grows."""

import asyncio
import os
import sys

import pytest

from bench.soak import growths, page, soak

STEADY = [{"memory of worker": 50e6, "connections": 12.0}] * 8


def test_what_stays_as_it_was_is_bounded() -> None:
    assert all(growth.is_bounded for growth in growths(STEADY))


def test_what_goes_on_growing_is_told() -> None:
    leaking = [sample | {"connections": 4.0 * n} for n, sample in enumerate(STEADY)]

    [memory, connections] = growths(leaking)

    assert memory.is_bounded
    assert (connections.early, connections.late, connections.allowed) == (10.0, 26.0, 14.0)
    assert not connections.is_bounded


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour, unless `FCS_SOAK_SECONDS` says otherwise."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    found = asyncio.run(soak(float(os.environ.get("FCS_SOAK_SECONDS", "3600"))))

    sys.stdout.write(f"\n{page(found)}\n")  # of an hour that went well one wants to know as well
    assert all(growth.is_bounded for growth in found)
