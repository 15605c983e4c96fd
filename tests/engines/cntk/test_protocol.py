"""The framing between daemon and CNTK server; no CNTK is needed."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from signal import SIGIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelierd.engines.cntk import server as protocol

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def frame(
    body: bytes,
    payload: bytes = b"",
    *,
    magic: bytes = protocol.MAGIC,
    version: int = protocol.VERSION,
    length: int | None = None,
    announced: int | None = None,
) -> bytes:
    length = len(body) if length is None else length
    announced = len(payload) if announced is None else announced
    start = protocol.HEADER.pack(magic, version, protocol.HELLO, length, announced, 0)[:-4]
    return start + struct.pack("<I", zlib.crc32(body, zlib.crc32(start))) + body + payload


def body(*arrays: tuple[str, list[int]]) -> bytes:
    return json.dumps({"arrays": arrays}).encode()


@given(
    shapes=st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=4),
    description=st.dictionaries(st.text(max_size=8), st.integers() | st.text(), max_size=3),
)
def test_what_is_sent_arrives(shapes: list[list[int]], description: dict[str, object]) -> None:
    description.pop("arrays", None)
    arrays = [
        (f"array {i}", np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
        for i, shape in enumerate(shapes)
    ]
    here, there = socket.socketpair()
    with here, there:
        protocol.send_message(here, protocol.EVALUATE, description, arrays)
        message = protocol.receive_message(there)
    assert message.kind == protocol.EVALUATE
    assert description.items() <= message.description.items()
    assert list(message.arrays) == [name for name, _ in arrays]
    for name, array in arrays:
        np.testing.assert_array_equal(message.arrays[name], array)


def test_an_array_larger_than_the_sockets_buffer_arrives_whole(ends: Ends) -> None:
    here, there = ends
    image = np.random.default_rng(0).normal(size=(3, 500, 400)).astype(np.float32)
    sender = threading.Thread(
        target=protocol.send_message, args=(here, protocol.EVALUATE, {}, [("x", image)])
    )
    sender.start()
    message = protocol.receive_message(there)
    sender.join()
    np.testing.assert_array_equal(message.arrays["x"], image)


def test_arrays_travel_as_little_endian_float32_whatever_they_were(ends: Ends) -> None:
    here, there = ends
    image = np.array([[1.5, -2.0]], dtype=">f8")[:, ::-1]
    protocol.send_message(here, protocol.EVALUATE, {}, [("x", image)])
    assert protocol.receive_message(there).arrays["x"].tolist() == [[-2.0, 1.5]]


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (frame(body(), magic=b"HTTP"), "not a message: it starts with b'HTTP'"),
        (frame(body(), version=7), "speaks version 7 of the protocol, expected 2"),
        (frame(body(), length=1 << 31), "announces 2147483648 bytes of JSON"),
        (frame(body(), announced=1 << 40), "and 1099511627776 of arrays, the limits"),
        (frame(b"{no json"), "JSON cannot be read"),
        (frame(b"{}"), "JSON cannot be read: 'arrays'"),
        (frame(b"[]"), "JSON cannot be read"),
        (frame(body(("x", [2])), b"\0" * 4), "arrays take 8 bytes, its header says 4"),
        (frame(body(("x", [-1]), ("y", [2])), b"\0" * 4), "array of negative size"),
        (frame(body(("x", [1 << 40, 1 << 40]))), "its header says 0"),
    ],
)
def test_what_is_no_message_is_refused_in_words(ends: Ends, sent: bytes, complaint: str) -> None:
    here, there = ends
    here.sendall(sent)
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.receive_message(there)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("position", [9, 23, 30])
def test_one_flipped_bit_is_noticed(ends: Ends, position: int) -> None:
    here, there = ends
    sent = bytearray(frame(body(("x", [1])), b"\0" * 4))
    sent[position] ^= 1
    here.sendall(sent)
    here.close()
    with pytest.raises(protocol.ProtocolError):
        protocol.receive_message(there)


@pytest.mark.parametrize("cut", [0, 5, 30, -1])
def test_a_message_that_is_cut_off_says_that_the_peer_is_gone(ends: Ends, cut: int) -> None:
    here, there = ends
    here.sendall(frame(body(("x", [1])), b"\0" * 4)[:cut])
    here.close()
    with pytest.raises(protocol.PeerGoneError):
        protocol.receive_message(there)


def test_a_peer_that_stops_in_the_middle_is_waited_for_until_the_deadline(ends: Ends) -> None:
    here, there = ends
    here.sendall(frame(body(("x", [1])), b"\0" * 4)[:-1])
    with pytest.raises(TimeoutError):
        protocol.receive_message(there, deadline=time.monotonic() + 0.05)


def test_a_description_over_the_limit_is_not_sent(ends: Ends) -> None:
    with pytest.raises(protocol.ProtocolError, match="over the limits"):
        protocol.send_message(ends[0], protocol.HELLO, {"text": "x" * protocol.MAX_DESCRIPTION})


def test_a_computing_server_ends_when_its_parent_closes_the_lifeline() -> None:
    code = (
        "from atelierd.engines.cntk import server\n"
        "server.end_with_parent()\n"
        "print('computing', flush=True)\n"
        "while True: pass\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == b"computing\n"
        process.stdin.close()
        assert process.wait() == -SIGIO


def test_a_server_whose_parent_is_gone_before_it_looks_does_not_start() -> None:
    code = "from atelierd.engines.cntk import server\nserver.end_with_parent()\nprint('on')\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.close()
    process.stdin = None
    out, err = process.communicate()
    assert process.returncode == 1
    assert out == b"" and b"is gone" in err
