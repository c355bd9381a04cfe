"""The journal of a run: what its body logs by the standard `logging`, kept with the attempt."""

from typing import Final

from fcs.domain.text import safe_text

JOURNAL_BYTES_MAX: Final = 16 * 1024


class Journal:
    """Lines of one run, the first 16 KiB of them. Threads may add at the same time."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._bytes = 0
        self._left_out = 0

    def add(self, line: str) -> None:
        text = safe_text(line)
        size = len(text.encode()) + 1
        if self._bytes + size > JOURNAL_BYTES_MAX:
            self._left_out += 1
            return
        self._bytes += size
        self._lines.append(text)

    def text(self) -> str | None:
        """All lines; `None` when nothing was logged."""
        if not self._lines and not self._left_out:
            return None
        more = [f"… ({self._left_out} more lines left out)"] if self._left_out else []
        return "\n".join([*self._lines, *more])
