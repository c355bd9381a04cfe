"""Values on the command line: what is right is read, what is wrong is shown what would be."""

import click
import pytest

from fcs.cli.kinds import moment, stretch, timed, variables


def granted(*texts: str) -> list[str]:
    return variables(click.Context(click.Command("work")), click.Option(["--child-env"]), texts)


def test_variables_for_child_processes_come_one_by_one_or_with_commas() -> None:
    assert granted("SHOP_*, TOKEN", "REGION") == ["REGION", "SHOP_*", "TOKEN"]
    assert granted() == []


@pytest.mark.parametrize("text", ["1h30", "1h 30", "5 5", "1m30", "h", ""])
def test_of_a_number_without_a_unit_among_others_nobody_knows_what_it_means(text: str) -> None:
    for kind in (stretch, timed):
        with pytest.raises(click.BadParameter, match="is not like 30s"):
            kind(text)


def test_a_stretch_of_time_is_read_as_everywhere_else() -> None:
    assert [stretch(text) for text in ("1h 30m", "5min", "2w", "90")] == [
        5400,
        300,
        1_209_600,
        90,
    ]
    with pytest.raises(click.BadParameter, match="lacks a unit"):
        timed("90")


def test_a_moment_may_have_an_offset_that_postgres_does_not_know() -> None:
    assert moment("2031-05-17T09:00:00+17:00").isoformat() == "2031-05-16T16:00:00+00:00"


@pytest.mark.parametrize("text", ["8999-12-31T23:59:59-00:01", "1969-12-31T23:59:59Z"])
def test_a_moment_has_to_lie_in_the_years_that_fcs_knows(text: str) -> None:
    with pytest.raises(click.BadParameter, match="between the years"):
        moment(text)


@pytest.mark.parametrize("text", ["A=5", "*", "A,,B", "S HOP"])
def test_what_is_no_name_of_a_variable_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="like SHOP_REGION"):
        granted(text)
