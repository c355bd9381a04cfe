"""Who may come in: no foreign web page by way of somebody's browser, nobody without a token.

On loopback no token is asked, so that `curl` just works. Browsers on the same machine can reach
loopback as well, and carry requests of any page they show; these give themselves away by their
Host (a name rebound to 127.0.0.1), their Origin, or the browser's own Sec-Fetch-Site.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from fcs.http.errors import Forbidden, Unauthenticated
from fcs.http.tokens import Tokens

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]{1,5})?")
_OPEN_PATHS = {"/healthz"}


@dataclass(frozen=True, slots=True)
class Guard:
    """`check_host`: accept only names of this machine. `tokens`: accept only who shows one."""

    check_host: bool
    tokens: Tokens | None

    def check(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise `Forbidden` or `Unauthenticated` unless the request may come in."""
        host = headers.get(b"host", b"").decode("latin-1")
        if self.check_host and not is_loopback_name(host):
            raise Forbidden(
                f"Host {host[:100]!r} is not a name of this machine's loopback address.",
                hint="Ask for localhost or 127.0.0.1. For other names, start the node with"
                " --token-file and --behind-proxy.",
            )
        check_origin(method, host, headers)
        if self.tokens is not None and path not in _OPEN_PATHS:
            self._check_token(headers)

    def _check_token(self, headers: Mapping[bytes, bytes]) -> None:
        assert self.tokens is not None
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not self.tokens.know(token.strip()):
            raise Unauthenticated(
                "The token is missing or not known here.",
                hint="Send the header Authorization: Bearer <token>.",
            )


def is_loopback_name(host: str) -> bool:
    """Whether a Host header names the loopback address, on any port."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found["v6"] or found["name"]
    if name.lower() == "localhost":
        return True
    try:
        # An address cannot be rebound as a name can.
        return ip_address(name).is_loopback
    except ValueError:
        return False


def check_origin(method: str, host: str, headers: Mapping[bytes, bytes]) -> None:
    """Raise `Forbidden` if a web page of another origin is behind the request."""
    origin = headers.get(b"origin")
    if origin is not None:
        named = origin.decode("latin-1").lower()
        if named.partition("://")[2] != host.lower():
            raise Forbidden(
                f"Origin {named[:100]!r} is not this server.",
                hint="Web pages elsewhere cannot use this API; programs should not send Origin.",
            )
    if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not _follows_link(
        method, headers
    ):
        raise Forbidden(
            "A browser sent this on behalf of another site.",
            hint="Open the address in a tab of its own.",
        )


def _follows_link(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Somebody clicked a link to here: it only shows a page, which no other page can read."""
    return (
        method in ("GET", "HEAD")
        and headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )
