"""The header `Idempotency-Key`: the key of a create request."""

from typing import Final

from fcs.domain.errors import InvalidInput
from fcs.domain.keys import check_key
from fcs.http.errors import InvalidHeader

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"


def read_key(given: str | None) -> str | None:
    """The key of a request that has one. The draft of the standard wants it quoted; either is fine.

    Raises `InvalidHeader`.
    """
    if given is None:
        return None
    try:
        # Headers come as bytes, one letter for each; whoever writes more than ASCII means UTF-8.
        key = given.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise InvalidHeader(
            f"Header {KEY_HEADER} is not UTF-8.", hint="Write the key in UTF-8, or in ASCII."
        ) from None
    quoted = len(key) >= 2 and key[0] == key[-1] == '"'
    try:
        return check_key(key[1:-1] if quoted else key)
    except InvalidInput as error:
        raise InvalidHeader(f"Header {KEY_HEADER}: {error}", hint=error.hint) from None
