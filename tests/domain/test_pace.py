"""How often everybody looks at rows."""

from fcs.domain.pace import AWAKE_SHARE, LOOK_SHARE, QUICKEST_SHARE, Pace, pause_after


def test_a_quick_look_comes_again_after_the_interval() -> None:
    assert pause_after(0.0, interval=5.0) == 5.0
    assert pause_after(0.1, interval=5.0) == 5.0


def test_a_slow_look_takes_no_more_than_a_fiftieth_of_the_time() -> None:
    assert pause_after(0.4, interval=5.0) == 20.0


def test_pauses_grow_to_the_longest_while_nothing_is_found() -> None:
    pace = Pace(1.0)

    pauses = [pace.pause() for _ in range(30)]

    assert pauses == sorted(pauses)
    assert pauses[0] == QUICKEST_SHARE
    assert pauses[-1] == 1.0


def test_what_takes_its_time_is_seen_late_by_no_more_than_a_part_of_it() -> None:
    pace = Pace(1.0)
    waited = 0.0

    while waited < 2.0:
        pause = pace.pause()
        assert pause <= QUICKEST_SHARE + waited / 3
        waited += pause


def test_whoever_finds_something_looks_again_soon() -> None:
    pace = Pace(1.0)
    for _ in range(30):
        pace.pause()

    pace.found()

    assert pace.pause() == QUICKEST_SHARE


def test_a_slow_look_takes_more_of_the_time_while_there_is_something_to_find() -> None:
    pace = Pace(1.0)

    assert pace.pause(took=0.003) == QUICKEST_SHARE
    assert pace.pause(took=0.6) == 0.6 / AWAKE_SHARE

    for _ in range(30):
        pace.pause()
    assert pace.pause(took=0.6) == 0.6 / LOOK_SHARE
