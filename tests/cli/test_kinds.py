"""Values on the command line: what is right is read, what is wrong is shown what would be."""

import click
import pytest

from fcs.cli.kinds import moment, variables


def granted(*texts: str) -> list[str]:
    return variables(click.Context(click.Command("work")), click.Option(["--child-env"]), texts)


def test_variables_for_child_processes_come_one_by_one_or_with_commas() -> None:
    assert granted("SHOP_*, TOKEN", "REGION") == ["REGION", "SHOP_*", "TOKEN"]
    assert granted() == []


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
