"""How often everybody looks at all rows."""

from fcs.domain.pace import pause_after


def test_a_quick_look_comes_again_after_the_interval() -> None:
    assert pause_after(0.0, interval=5.0) == 5.0
    assert pause_after(0.1, interval=5.0) == 5.0


def test_a_slow_look_takes_no_more_than_a_fiftieth_of_the_time() -> None:
    assert pause_after(0.4, interval=5.0) == 20.0
