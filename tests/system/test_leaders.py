"""However a leader comes to its end, another one hands out soon, and no task is wronged."""

import os
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from tests.system.leaders import acts, succession

from bench import leaders
from fcs.domain.settings import Settings

pytestmark = pytest.mark.slow

HASTY = Settings(leader_lease=3.0)


def test_leaders_come_and_go_and_no_task_is_wronged(database_url: str, tmp_path: Path) -> None:
    with succession(database_url, tmp_path, settings=HASTY) as candidates:
        for act in acts(8, Random(1)):
            candidates.change(act)


@pytest.mark.nightly
def test_whatever_happens_to_a_leader_another_hands_out_within_two_leases() -> None:
    """LIVE. An hour, unless `FCS_ACTS` says for how many changes."""
    found = leaders.measure(int(os.environ.get("FCS_ACTS", "500")), say=lambda _: None)
    print(leaders.block(found))  # noqa: T201 - for whoever reads of a night

    assert max(chain.from_iterable(found.gaps.values())) < 2 * found.leader_lease
