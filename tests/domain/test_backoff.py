"""How long to wait before trying again."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.backoff import full_jitter


class Highest(Random):
    """The largest number that `random` can give."""

    def random(self) -> float:
        return 1 - 2**-53


@given(st.integers(1, 10**9), st.integers())
def test_never_negative_and_never_above_the_cap(tries: int, seed: int) -> None:
    assert 0 <= full_jitter(tries, Random(seed)) < 5.0


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    ceilings = [full_jitter(tries, Highest()) for tries in range(1, 12)]

    assert [round(ceiling, 2) for ceiling in ceilings] == [
        0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5,
    ]  # fmt: skip


def test_those_who_failed_together_return_spread_out() -> None:
    waits = sorted(full_jitter(20, Random(seed)) for seed in range(500))

    assert waits[0] < 0.1
    assert waits[-1] > 4.9
    assert 2 < waits[250] < 3
