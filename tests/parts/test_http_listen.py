"""Where the door may be opened, and what a token must be."""

from pathlib import Path

import pytest

from fcs.http import Tokens, check_listen
from fcs.http.errors import ListenRefused
from fcs.node.sockets import written

LOOPBACK = ["127.0.0.1", "127.0.0.2", "localhost", "::1"]
NETWORK = ["0.0.0.0", "::", "", "10.0.0.1", "203.0.113.5", "fcs.example", "localhost.example"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_needs_nothing_and_checks_the_host(host: str) -> None:
    assert check_listen(host, 5000, token_file=None, behind_proxy=False) is True
    assert check_listen(host, 0, token_file="t", behind_proxy=False) is True
    assert check_listen(host, 0, token_file="t", behind_proxy=True) is False


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_proxy_makes_loopback_reachable_so_it_needs_a_token(host: str) -> None:
    with pytest.raises(ListenRefused, match="let anybody in"):
        check_listen(host, 5000, token_file=None, behind_proxy=True)


@pytest.mark.parametrize("host", NETWORK)
def test_other_addresses_need_a_token_and_a_proxy(host: str) -> None:
    for behind_proxy in (False, True):
        with pytest.raises(ListenRefused, match="let anybody in"):
            check_listen(host, 5000, token_file=None, behind_proxy=behind_proxy)
    with pytest.raises(ListenRefused, match="clear text"):
        check_listen(host, 5000, token_file="t", behind_proxy=False)
    assert check_listen(host, 5000, token_file="t", behind_proxy=True) is False


def test_address_of_many_colons_is_written_so_that_it_can_be_read() -> None:
    assert written("127.0.0.1", 5000) == "127.0.0.1:5000"
    assert written("::1", 5000) == "[::1]:5000"


@pytest.mark.parametrize("port", [-1, 65_536])
def test_ports_are_16_bits(port: int) -> None:
    with pytest.raises(ListenRefused, match="no port"):
        check_listen("127.0.0.1", port, token_file=None, behind_proxy=False)


def test_a_file_may_hold_several_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("# first\n" + "a" * 22 + "\n\n  " + "b" * 30 + "  \n", "utf-8")
    tokens = Tokens.read(path)
    assert tokens.know(b"a" * 22)
    assert tokens.know(b"b" * 30)
    assert not tokens.know(b"")
    assert not tokens.know(b"# first")
    assert not tokens.know(b"a" * 21)
    assert "a" * 22 not in repr(vars(tokens))


@pytest.mark.parametrize("text", ["", "# nothing\n", "short\n", "a" * 22 + "\nshort"])
def test_weak_token_files_are_refused(text: str) -> None:
    with pytest.raises(ListenRefused) as refusal:
        Tokens(text)
    assert "secrets.token_urlsafe" in refusal.value.hint
    assert "short" not in str(refusal.value)


def test_unreadable_token_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ListenRefused, match="cannot be read"):
        Tokens.read(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    with pytest.raises(ListenRefused, match="it is not text"):
        Tokens.read(tmp_path / "binary")
