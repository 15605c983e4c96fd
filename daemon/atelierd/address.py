"""Where a server listens, as people write it: `8765`, `127.0.0.1:8765` or `[::1]:8765`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from atelierd.errors import AtelierError
from atelierd.wording import shown

#: Where nothing else is said: this machine alone can reach it.
LOOPBACK = "127.0.0.1"
PORT = 8765
_EXPECTED = f"expected a port, or an IP address and a port, such as {LOOPBACK}:{PORT}"


class AddressError(AtelierError):
    """An address cannot be listened on: it is in use, or not this machine's."""


@dataclass(frozen=True)
class Address:
    """An IP address and a port; port 0 is whichever is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def is_v6(self) -> bool:
        """Whether it is an address of IPv6."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_v6 else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that `text` means; a port alone is one of the loopback address.

    Raises ValueError, in words. Names are not looked up, but for `localhost`: what a name means can
    change, and with it who may look in.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        host = LOOPBACK
    elif not host:
        raise ValueError(
            f"found {shown(text, 60)}; {_EXPECTED}. For every address of this machine say so: "
            f"0.0.0.0{text.strip()}"
        )
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise ValueError(f"found {shown(text, 60)}; {_EXPECTED}")
    try:
        return Address(_ip(host), int(port))
    except ValueError as error:
        raise ValueError(f"found {shown(text, 60)}; {_EXPECTED}") from error


def _ip(host: str) -> str:
    if host == "localhost":
        return LOOPBACK
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1]))
    return str(ipaddress.IPv4Address(host))
