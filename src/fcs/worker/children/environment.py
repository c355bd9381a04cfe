"""What a child sees of its worker's environment: what programs need, and what it is granted."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

NEEDED: Final = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP",
    "LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR",
    "PYTHON*", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_*",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""No credentials among them. `*` stands for anything."""


def clean(environment: Mapping[str, str], granted: Sequence[str]) -> dict[str, str]:
    """Keep what is needed or granted by name; a name may end in `*`."""
    patterns = [*NEEDED, *granted]
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
