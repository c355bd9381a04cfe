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
    quoted = len(given) >= 2 and given[0] == given[-1] == '"'
    try:
        return check_key(given[1:-1] if quoted else given)
    except InvalidInput as error:
        raise InvalidHeader(f"Header {KEY_HEADER}: {error}", hint=error.hint) from None
