"""What may be laid down for a queue."""

import pytest

from fcs.domain.errors import InvalidInput
from fcs.domain.queues import check_limits, rate_of


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50/s", 50), ("30/m", 0.5), ("36/h", 0.01), ("86.4/d", 0.001), (" 2.5 ", 2.5), ("7", 7)],
)
def test_a_rate_is_read_as_people_write_it(text: str, rate: float) -> None:
    assert rate_of(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "fast", "50/y", "-1/s", "/s", "5 / s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a rate"):
        rate_of(text)


def test_limits_come_out_as_rows_have_them() -> None:
    changes: dict[str, float | str | None] = {
        "running_max": 3,
        "rate": "30/m",
        "key_rate": 2.0,
        "burst": None,
    }

    assert check_limits(changes) == {"running_max": 3, "rate": 0.5, "key_rate": 2.0, "burst": None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("running_max", 0),
        ("burst", -1),
        ("key_running_max", 1_000_001),
        ("key_burst", 1.5),
        ("rate", 0.0),
        ("rate", "0/s"),
        ("key_rate", float("nan")),
        ("key_rate", "often"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(name: str, value: float | str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_limits({name: value})
    assert [problem.pointer for problem in caught.value.problems] == [f"/{name}"]
    assert caught.value.hint
