"""Ids that sort by age, and ids by the hundred."""

from random import Random
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.ids import ENTROPY_BYTES, ids_of, read_ids, uuid7, uuid7s

MS_MAX = 2**48 - 1
moments = st.integers(0, MS_MAX)
entropies = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


@given(moments, entropies)
def test_version_variant_and_time_are_where_the_standard_puts_them(ms: int, entropy: bytes) -> None:
    id = uuid7(ms, entropy)

    assert (id.version, id.variant) == (7, RFC_4122)
    assert id.int >> 80 == ms


@given(moments, moments, entropies, entropies)
def test_a_later_id_sorts_later(a: int, b: int, entropy: bytes, other: bytes) -> None:
    """F-61: ties between tasks are broken by creation, not by chance."""
    if a < b:
        assert uuid7(a, entropy) < uuid7(b, other)


@given(moments, st.integers(0, 73))
def test_every_used_bit_of_entropy_counts(ms: int, bit: int) -> None:
    one, none = (1 << bit), 0
    if bit >= 62:
        one <<= 2  # between the parts lies the variant
    assert uuid7(ms, one.to_bytes(ENTROPY_BYTES, "big")) != uuid7(
        ms, none.to_bytes(ENTROPY_BYTES, "big")
    )


def test_ids_of_one_millisecond_differ() -> None:
    rng = Random(1)
    assert len({uuid7(1, rng.randbytes(ENTROPY_BYTES)) for _ in range(10_000)}) == 10_000


def test_the_example_of_the_standard() -> None:
    """RFC 9562, appendix A.6."""
    entropy = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(ENTROPY_BYTES, "big")
    assert str(uuid7(0x017F22E279B0, entropy)) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_a_time_beyond_the_format_is_an_error() -> None:
    with pytest.raises(OverflowError):
        uuid7(MS_MAX + 1, bytes(ENTROPY_BYTES))
    with pytest.raises(OverflowError):
        uuid7s(MS_MAX + 1, bytes(ENTROPY_BYTES))


@given(moments, st.lists(entropies))
def test_ids_of_one_moment_are_as_those_made_one_by_one_in_order(
    ms: int, drawn: list[bytes]
) -> None:
    assert uuid7s(ms, b"".join(drawn)) == sorted(uuid7(ms, entropy) for entropy in drawn)


@given(st.lists(st.uuids()))
def test_ids_by_the_hundred_are_as_those_made_one_by_one(ids: list[UUID]) -> None:
    drawn = b"".join(id.bytes for id in ids)

    for made in (ids_of(drawn), read_ids(" ".join(map(str, ids)))):
        assert made == ids
        assert set(made) == set(ids)
        assert [id.is_safe for id in made] == [id.is_safe for id in ids]


@pytest.mark.parametrize(
    "text", [" ", "x", f"{UUID(int=1)} ", f"{UUID(int=1)}  {UUID(int=2)}", '","', "\ud800", "\0"]
)
def test_what_is_no_list_of_ids_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not ids|surrogates"):
        read_ids(text)
