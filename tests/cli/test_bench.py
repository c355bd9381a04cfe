"""How `fcs bench` shows how far it is; what it measures is tried with real processes."""

from tests.cli.said import Fcs

from fcs.cli.bench import PARTS, OnTerminal


def test_the_bar_of_a_run_is_filled_step_by_step() -> None:
    watch = OnTerminal()
    watch.steps(2)
    seen = []
    for what in ("raw", "drain"):
        watch.step(what)
        seen.append(watch.position)
        for done in (100, 400):
            watch.done(done, 400)
            seen.append(watch.position)
    watch.close()

    assert seen == [0, PARTS // 4, PARTS, PARTS, PARTS + PARTS // 4, 2 * PARTS]


def test_an_unknown_measure_is_refused_with_those_there_are(anywhere: Fcs) -> None:
    said = anywhere("bench", "drains")

    assert said.code == 2
    assert "There is no measure 'drains'" in said.err
    assert "mixed" in said.err
