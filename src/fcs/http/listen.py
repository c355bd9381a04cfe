"""Where the server may listen: on loopback freely, elsewhere with a token and behind a proxy."""

from ipaddress import ip_address

from fcs.http.errors import ListenRefused


def check_listen(host: str, port: int, *, token_file: str | None, behind_proxy: bool) -> bool:
    """Raise `ListenRefused` unless it is safe to listen so.

    Returns whether requests must name the loopback address as their host: true where no
    proxy stands before the server, so that no other name can be meant.
    """
    if not 0 <= port <= 65535:
        raise ListenRefused(f"There is no port {port}.", hint="Choose 0 (any free one) to 65535.")

    if (behind_proxy or not is_loopback(host)) and token_file is None:
        raise ListenRefused(
            f"Listening on {host}:{port} would let anybody in who can reach it.",
            hint="Give a --token-file, or listen on 127.0.0.1.",
        )
    if not is_loopback(host) and not behind_proxy:
        raise ListenRefused(
            f"Listening on {host}:{port} would send tokens over the network in clear text.",
            hint="Put a proxy that speaks TLS before it and say --behind-proxy, or listen on"
            " 127.0.0.1.",
        )
    return not behind_proxy


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
