"""`python -m proof`: what it says of its stages."""

import pytest

from proof.__main__ import function_of, main
from proof.stages import STAGES


def test_without_a_stage_it_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    said = capsys.readouterr().out
    assert said.startswith("usage: python -m proof <stage>")
    assert all(f"  {stage}" in said for stage in STAGES)


def test_an_unknown_stage_is_refused() -> None:
    assert main(["sorcery"]) == 2


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_tells_how_it_is_used(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        function_of(STAGES[stage])(["--help"])

    assert ended.value.code == 0
    assert "usage: " in capsys.readouterr().out
