"""Addresses, as people write them and as the kernel takes them.

A person writes an address in one line; the calls take it in four pieces, ``socket(family, type, protocol)`` and
``bind(sockaddr)``::

    tcp://127.0.0.1:7000    AF_INET    SOCK_STREAM  TCP  ("127.0.0.1", 7000)
    tcp://[::1]:7000        AF_INET6   SOCK_STREAM  TCP  ("::1", 7000, 0, 0)
    udp://127.0.0.1:7000    AF_INET    SOCK_DGRAM   UDP  ("127.0.0.1", 7000)
    unix:///run/echo.sock   AF_LOCAL   SOCK_STREAM  -    "/run/echo.sock"
    unix:@echo              AF_LOCAL   SOCK_STREAM  -    "\\0echo" (a name without a file; Linux only)
    unix:                   AF_LOCAL   SOCK_STREAM  -    "" (a peer without a name, like most clients)

A written address has no blanks: they are percent-encoded, so that the address is one word in a line of the protocol.
Sources: socket(2), ip(7), ipv6(7), unix(7); brackets around an IPv6 address: RFC 3986, section 3.2.2.
"""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from threadserver.core.errors import KitError, UsageError, reason

TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
LONGEST_PATH = 107  # bytes that fit in sockaddr_un.sun_path beside its closing NUL

_HOST_AND_PORT = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:\[\]/@\s]+)):(?P<port>\d{1,5})")


class AddressError(UsageError, ValueError):
    """A text that is not an address."""


class Endpoint(NamedTuple):
    """The arguments of ``socket()``, and then of ``bind()`` or ``connect()``."""

    family: int
    type: int
    protocol: int
    sockaddr: Any


@dataclass(frozen=True)
class Address:
    """Where to reach a socket: a host and port (``tcp``, ``udp``) or a path (``unix``)."""

    scheme: str
    host: str = ""
    port: int = 0
    path: bytes = b""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an address; ``HOST:PORT`` alone means TCP. Raises AddressError, which says what is wrong."""
        scheme, colon, rest = text.partition(":")
        if colon and scheme == "unix":
            return cls._parse_path(text, rest)
        if "://" in text:
            rest = rest.removeprefix("//")
        else:
            scheme, rest = "tcp", text
        if scheme not in TYPES:
            raise AddressError(f"bad address {text!r}: unknown scheme {scheme!r} (tcp, udp and unix are known)")
        match = _HOST_AND_PORT.fullmatch(rest)
        if match is None or int(match["port"]) > 65535:
            raise AddressError(f"bad address {text!r}: expected tcp://HOST:PORT, tcp://[IPV6]:PORT or unix:///PATH")
        host = unquote_to_bytes(match["bracketed"] or match["host"]).decode("utf-8", "replace")
        return cls(scheme, host, int(match["port"]))

    @classmethod
    def _parse_path(cls, text: str, rest: str) -> "Address":
        path = unquote_to_bytes(rest.removeprefix("//"))
        if rest.startswith("@"):
            path = b"\0" + path[1:]
        elif b"\0" in path:
            raise AddressError(f"bad address {text!r}: a path cannot hold a NUL")
        if len(path) > LONGEST_PATH:
            raise AddressError(f"bad address {text!r}: a local socket's path has at most {LONGEST_PATH} bytes")
        return cls("unix", path=path)

    @classmethod
    def of(cls, family: int, sockaddr: Any, scheme: str = "tcp") -> "Address":  # noqa: ANN401
        """Return what ``getsockname()`` or ``accept()`` returned as an address; IPv4 over an IPv6 socket is IPv4."""
        if family == socket.AF_UNIX:
            return cls("unix", path=os.fsencode(sockaddr or b""))
        host, port = sockaddr[:2]
        if family == socket.AF_INET6:
            mapped = ipaddress.IPv6Address(host.partition("%")[0]).ipv4_mapped
            host = str(mapped) if mapped else host
        return cls(scheme, host, port)

    def __str__(self) -> str:
        if self.scheme != "unix":
            host = quote_from_bytes(self.host.encode(), safe="/:*")
            return f"{self.scheme}://[{host}]:{self.port}" if ":" in host else f"{self.scheme}://{host}:{self.port}"
        if self.path.startswith(b"\0"):
            return "unix:@" + quote_from_bytes(self.path[1:], safe="/:")
        slashes = "//" if self.path.startswith(b"/") else ""
        return f"unix:{slashes}{quote_from_bytes(self.path, safe='/:')}"

    def resolve(self, *, passive: bool = False) -> list[Endpoint]:
        """Ask the resolver for the arguments of the calls, best first: getaddrinfo(3), RFC 6724.

        ``passive`` is for a server, which binds the address instead of connecting to it.
        Raises KitError when the host is unknown.
        """
        if self.scheme == "unix":
            path = os.fsdecode(self.path) if not self.path.startswith(b"\0") else self.path
            return [Endpoint(socket.AF_UNIX, socket.SOCK_STREAM, 0, path)]
        flags = socket.AI_PASSIVE if passive else 0
        try:
            found = socket.getaddrinfo(
                self.host, self.port, type=TYPES[self.scheme], proto=PROTOCOLS[self.scheme], flags=flags
            )
        except (socket.gaierror, UnicodeError) as error:
            why = reason(error) if isinstance(error, OSError) else "not a host name"
            raise KitError(f"no such host: {self.host!r} ({why})") from error
        return [Endpoint(family, kind, protocol, sockaddr) for family, kind, protocol, _, sockaddr in found]
