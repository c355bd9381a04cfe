"""Whatever parts do, in whatever order, the real SQL layer does as a small model says."""

import secrets

import pytest
from tests.pooler import around

from proof.machine.command import play


def test_the_same_examples_each_time(database_url: str) -> None:
    assert not play(around(database_url), examples=40, steps=50, seed=None).violations


def test_examples_that_nobody_has_seen(database_url: str) -> None:
    """The seed is told with what it breaks: `python -m proof machine --seed N` plays it again."""
    found = play(around(database_url), examples=20, steps=50, seed=secrets.randbelow(2**32))

    assert found.figures["statements"]


@pytest.mark.nightly
def test_many_examples(database_url: str) -> None:
    play(around(database_url), examples=2_000, steps=60, seed=secrets.randbelow(2**32))
