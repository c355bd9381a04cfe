"""Transactions of all kinds on several connections end as if they had come one after the other."""

import pytest
from tests.pooler import around

from fcs.database import connect as module
from proof.interleavings import repertoire, state
from proof.interleavings.run import Tally, play_at_every_level, set_default, theatre
from proof.interleavings.scenes import WRITERS


async def play(url: str, *, in_full: bool) -> Tally:
    state.set_up(around(url))
    tally = Tally()
    await play_at_every_level(around(url), tally, in_full=in_full)
    assert not tally.faults, "\n".join(tally.faults)
    return tally


async def test_each_ends_as_if_alone_at_every_level_of_isolation(database_url: str) -> None:
    """F-16: and a caller's transaction may be told that it cannot be put in line."""
    tally = await play(database_url, in_full=False)

    assert tally.schedules >= 600
    assert tally.waits
    assert tally.refused


async def test_sessions_at_the_default_of_the_database_would_be_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plays can tell: without the level that each session asks for, some of them fail."""
    url, tally = around(database_url), Tally()
    state.set_up(url)
    set_default(url, "repeatable read")
    asked_for = {k: v for k, v in module._SESSION.items() if k != "default_transaction_isolation"}
    monkeypatch.setattr(module, "_SESSION", asked_for)
    async with theatre(url) as stage:
        await stage.play(repertoire.pairs("dispatched", WRITERS), tally, "repeatable read")

    assert any("SerializationFailure" in fault for fault in tally.faults)


@pytest.mark.nightly
async def test_so_does_every_pair_of_them(database_url: str) -> None:
    await play(database_url, in_full=True)
