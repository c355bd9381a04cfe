"""Counting commits that ring, from what a listener hears."""

from bench.bells import Bells


def test_a_commit_rings_for_several_and_counts_once() -> None:
    bells = Bells()
    for sender, channel in [(1, "a"), (1, "b"), (1, "a"), (2, "a"), (1, "a"), (1, "b")]:
        bells.hear(sender, channel)

    assert (bells.commits, bells.notifications) == (4, 6)
