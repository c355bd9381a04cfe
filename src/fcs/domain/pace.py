"""The pace of looking at all rows: often enough, and never so often that it takes much of the time.

Looking costs more the longer some old snapshot keeps dead rows in the way.
"""

from typing import Final

LOOK_SHARE: Final = 0.02
"""The share of the time that looking may take."""


def pause_after(took: float, *, interval: float) -> float:
    """Seconds until the next look, after one that took so long."""
    return max(interval, took / LOOK_SHARE)
