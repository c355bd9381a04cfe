"""Tokens that open the door. Only their hashes stay in memory."""

from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from fcs.http.errors import ListenRefused

_LENGTH_MIN = 22
"""128 bits, written in base 64."""


class Tokens:
    """The tokens of a file: one a line; empty lines and lines that start with `#` are skipped."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        tokens = [line for line in lines if line and not line.startswith("#")]
        if not tokens:
            raise ListenRefused("The token file holds no token.", hint=_MAKE_ONE)
        if any(len(token) < _LENGTH_MIN for token in tokens):
            raise ListenRefused(
                f"The token file holds a token of less than {_LENGTH_MIN} characters.",
                hint=_MAKE_ONE,
            )
        self._hashes = [_hash(token.encode("utf-8")) for token in tokens]

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        try:
            return cls(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ListenRefused(
                f"The token file {path} cannot be read: {reason}.", hint=_MAKE_ONE
            ) from None

    def know(self, token: bytes) -> bool:
        """Whether this is one of them. Takes as long whichever it is, and if it is none."""
        shown = _hash(token)
        found = [compare_digest(shown, known) for known in self._hashes]
        return any(found)


_MAKE_ONE = "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))' > FILE"


def _hash(token: bytes) -> bytes:
    return sha256(token).digest()
