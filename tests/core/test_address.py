import socket

import pytest

from threadserver.core.address import Address, AddressError
from threadserver.core.errors import KitError


@pytest.mark.parametrize(
    ("text", "family", "sockaddr"),
    [
        ("tcp://127.0.0.1:7000", socket.AF_INET, ("127.0.0.1", 7000)),
        ("127.0.0.1:7000", socket.AF_INET, ("127.0.0.1", 7000)),
        ("tcp://[::1]:7000", socket.AF_INET6, ("::1", 7000, 0, 0)),
        ("udp://127.0.0.1:7000", socket.AF_INET, ("127.0.0.1", 7000)),
        ("unix:///run/echo.sock", socket.AF_UNIX, "/run/echo.sock"),
        ("unix:echo.sock", socket.AF_UNIX, "echo.sock"),
        ("unix:///my%20sock", socket.AF_UNIX, "/my sock"),
        ("unix:@echo", socket.AF_UNIX, b"\0echo"),
    ],
)
def test_an_address_becomes_what_the_calls_take(text, family, sockaddr):
    endpoint = Address.parse(text).resolve()[0]
    assert (endpoint.family, endpoint.sockaddr) == (family, sockaddr)


@pytest.mark.parametrize(
    "text",
    ["tcp://127.0.0.1:7000", "tcp://[::1]:7000", "udp://10.0.0.1:53", "unix:///run/echo.sock", "unix:echo.sock",
     "unix:///my%20sock", "unix:@echo", "unix:", "unix:///100%25", "tcp://[fe80::1%25lo]:7000"],
)  # fmt: skip
def test_an_address_is_written_as_it_is_read(text):
    assert str(Address.parse(text)) == text


def test_a_written_address_is_one_word():
    assert " " not in str(Address.of(socket.AF_UNIX, "/a b\tc\nd"))


@pytest.mark.parametrize(
    "text",
    ["", "7000", "tcp://", "tcp://host", "tcp://host:", "tcp://host:port", "tcp://:7000", "tcp://1.2.3.4:65536",
     "http://host:80", "tcp://::1:7000", "tcp://[::1]", "tcp://a b:7000", "unix:///" + "x" * 108, "unix:/a%00b"],
)  # fmt: skip
def test_a_bad_address_is_reported(text):
    with pytest.raises(AddressError, match="bad address") as failure:
        Address.parse(text)
    assert failure.value.exit_code == 2


def test_an_ipv4_client_of_an_ipv6_socket_is_written_as_ipv4():
    assert str(Address.of(socket.AF_INET6, ("::ffff:127.0.0.1", 7000, 0, 0))) == "tcp://127.0.0.1:7000"


def test_an_unnamed_local_peer_is_written_without_a_name():
    assert str(Address.of(socket.AF_UNIX, "")) == "unix:"
    assert str(Address.of(socket.AF_UNIX, b"")) == "unix:"


def test_an_unknown_host_is_reported():
    with pytest.raises(KitError, match=r"no such host: 'no\.such\.host\.invalid'") as failure:
        Address.parse("tcp://no.such.host.invalid:7000").resolve()
    assert failure.value.exit_code == 1
    with pytest.raises(KitError, match="no such host"):
        Address.parse("tcp://" + "x" * 70 + ".invalid:7000").resolve()
