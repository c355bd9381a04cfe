"""Settings whose relations make no sense are refused, before any part starts with them."""

import pytest

from fcs.domain.errors import InvalidSettings
from fcs.domain.settings import Settings


def test_the_defaults_make_sense() -> None:
    settings = Settings()

    assert settings.lease >= 5 * settings.beat_interval  # F-47: starved is not dead
    assert settings.forget_workers_after > settings.lease


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"beat_interval": 0}, "beat_interval"),
        ({"beat_interval": -1}, "beat_interval"),
        ({"beat_interval": float("nan")}, "beat_interval"),
        ({"lease": 2.9}, "lease"),
        ({"lease": float("nan")}, "lease"),
        ({"survey_interval": 2.5}, "survey intervals"),
        ({"survey_interval": 0}, "survey_interval"),
        ({"hint_again_after": 0}, "hint_again_after"),
        ({"hint_again_after": 10, "take_back_after": 10}, "take_back_after"),
        ({"rescan_interval": 0}, "rescan_interval"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"window": 99}, "window"),
        ({"keep_keys": -1}, "keep_keys"),
        ({"keep_succeeded": 3_599}, "keep_succeeded"),
        ({"keep_failed": 1}, "keep_failed"),
        ({"keep_interrupted": -1}, "keep_interrupted"),
        ({"keep_cancelled": float("nan")}, "keep_cancelled"),
    ],
    ids=str,
)
def test_nonsense_is_refused_by_name(changes: dict[str, float], named: str) -> None:
    with pytest.raises(InvalidSettings, match=named) as refused:
        Settings(**changes)  # type: ignore[arg-type]

    assert refused.value.hint


def test_the_edges_are_allowed() -> None:
    Settings(beat_interval=1, lease=3, survey_interval=1.4)
    Settings(hint_again_after=9.9, take_back_after=10, window=100)
    Settings(keep_succeeded=3_600, keep_failed=0, keep_interrupted=0, keep_cancelled=1e9)
