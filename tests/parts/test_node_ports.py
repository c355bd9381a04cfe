"""Ports: the wanted one if it is free, else the next."""

import socket

import pytest
from tests.parts.conftest import LocalhostIs

from fcs.domain.errors import InvalidSettings
from fcs.node.ports import hold_port, pass_on, take_held, wait_for_port

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def find_port(host: str, wanted: int) -> int:
    """The port that would be held."""
    listeners = hold_port(host, wanted)
    for listener in listeners[1:]:
        listener.close()
    with listeners[0] as first:
        return int(first.getsockname()[1])


def test_free_port_is_taken_as_it_is() -> None:
    port = free_port()
    assert find_port(HOST, port) == port


def test_busy_port_makes_way_for_a_later_one() -> None:
    with socket.create_server((HOST, 0)) as listener:
        busy = listener.getsockname()[1]
        found = find_port(HOST, busy)
    assert found != busy
    assert found > 0


def test_port_that_somebody_lets_go_of_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as listener:
        busy = listener.getsockname()[1]
        monkeypatch.setattr("time.sleep", lambda _: listener.close())
        wait_for_port(HOST, busy, seconds=60)
    assert find_port(HOST, busy) == busy


def test_port_that_nobody_lets_go_of_is_given_up() -> None:
    with socket.create_server((HOST, 0)) as listener:
        busy = listener.getsockname()[1]
        wait_for_port(HOST, busy, seconds=0.1)
        assert find_port(HOST, busy) != busy


def test_port_without_a_listener_is_not_free_if_it_is_held() -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        held = holder.getsockname()[1]
        assert find_port(HOST, held) != held


def test_port_that_is_held_goes_to_nobody_else_until_it_is_let_go() -> None:
    [listener] = hold_port(HOST, free_port())
    held = listener.getsockname()[1]
    assert find_port(HOST, held) != held
    listener.close()
    assert find_port(HOST, held) == held


def test_port_of_a_name_is_one_that_every_address_has_free(
    localhost_is: LocalhostIs,
) -> None:
    localhost_is("127.0.0.2", HOST)
    with socket.create_server((HOST, 0)) as listener:
        busy = listener.getsockname()[1]
        held = hold_port("localhost", busy)
    ports = {listener.getsockname()[1] for listener in held}
    assert [listener.getsockname()[0] for listener in held] == ["127.0.0.2", HOST]
    assert len(ports) == 1
    assert busy not in ports
    for listener in held:
        listener.close()


def test_what_is_passed_on_is_taken_once_and_no_further() -> None:
    held = hold_port(HOST, 0)
    environment = pass_on(held)
    [taken] = take_held(environment)
    assert taken.getsockname() == held[0].getsockname()
    assert not taken.get_inheritable()
    assert take_held(environment) == []
    taken.detach()
    held[0].close()


def test_any_port() -> None:
    assert find_port(HOST, 0) > 0


def test_last_port_of_all() -> None:
    with socket.create_server((HOST, 65_535)):
        assert 0 < find_port(HOST, 65_535) < 65_535


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_address_that_is_not_ours(host: str) -> None:
    with pytest.raises(InvalidSettings, match=host):
        find_port(host, 5000)
