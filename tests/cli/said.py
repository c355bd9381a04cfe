"""What a run of the command line said, and how it ended."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it wrote as JSON; nothing went wrong."""
        assert self.code == 0, self
        return json.loads(self.out)

    def fails(self, code: int) -> str:
        """Make sure that it failed so and said why in two lines; return these."""
        assert self.code == code, self
        error, hint = self.err.splitlines()
        assert error.startswith("error: ")
        assert hint.startswith("hint:  ")
        assert len(hint) > len("hint:  ")
        return self.err


Fcs = Callable[..., Said]
