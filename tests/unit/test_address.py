from __future__ import annotations

import pytest

from atelierd.address import Address, parse_address


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("8765", Address("127.0.0.1", 8765)),
        ("localhost:80", Address("127.0.0.1", 80)),
        (" 127.0.0.2:8765 ", Address("127.0.0.2", 8765)),
        ("0.0.0.0:8765", Address("0.0.0.0", 8765)),
        ("[::1]:8765", Address("::1", 8765)),
        ("[0:0::1]:0", Address("::1", 0)),
    ],
)
def test_an_address_is_read_as_people_write_it(written: str, meant: Address) -> None:
    assert parse_address(written) == meant
    assert parse_address(str(meant)) == meant


@pytest.mark.parametrize(
    "written",
    ["", "http", "127.0.0.1", "::1:80", "host.example:80", "1.2.3:80", "[::1]", "1:99999"],
)
def test_what_is_no_address_is_refused_in_words(written: str) -> None:
    with pytest.raises(ValueError, match=r"expected a port, or an IP address and a port"):
        parse_address(written)


def test_every_address_of_the_machine_has_to_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"0\.0\.0\.0:8765"):
        parse_address(":8765")


def test_only_this_machine_reaches_a_loopback_address() -> None:
    for written in ("8765", "127.9.9.9:1", "[::1]:1"):
        assert parse_address(written).is_loopback, written
    for written in ("0.0.0.0:1", "[::]:1", "192.168.1.5:1"):
        assert not parse_address(written).is_loopback, written
