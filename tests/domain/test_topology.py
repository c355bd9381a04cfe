"""Topologies: who may lead."""

import pytest

from fcs.domain.topology import Mode, Part, is_candidate


@pytest.mark.parametrize(
    ("mode", "candidates"),
    [
        (Mode.DEDICATED, {Part.SUPERVISOR}),
        (Mode.ELECTED, {Part.SUPERVISOR, Part.ELECTABLE_WORKER}),
        (Mode.HASH, set()),
    ],
)
def test_who_may_lead_depends_on_the_mode(mode: Mode, candidates: set[Part]) -> None:
    assert {part for part in Part if is_candidate(part, mode)} == candidates
