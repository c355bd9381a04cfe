"""Values on the command line: what is right is read, what is wrong is shown what would be."""

import click
import pytest

from fcs.cli.kinds import variables


def granted(*texts: str) -> list[str]:
    return variables(click.Context(click.Command("work")), click.Option(["--child-env"]), texts)


def test_variables_for_child_processes_come_one_by_one_or_with_commas() -> None:
    assert granted("SHOP_*, TOKEN", "REGION") == ["REGION", "SHOP_*", "TOKEN"]
    assert granted() == []


@pytest.mark.parametrize("text", ["A=5", "*", "A,,B", "S HOP"])
def test_what_is_no_name_of_a_variable_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="like SHOP_REGION"):
        granted(text)
