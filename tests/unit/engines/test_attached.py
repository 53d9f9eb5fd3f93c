"""Tests frames from a socket, split at any position, also if TLS has already read more of them."""

import socket
import ssl
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.engines.docker.attach import Attached

SECONDS = 10


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


def spoken(attached: Attached) -> list[tuple[int, bytes]]:
    """Return everything that the reader reads, in a thread with a timeout, so that a blocked reader fails the test."""
    heard: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: heard.extend(attached.frames()), daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), f"still waits after {heard}"
    return heard


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    yield near, far
    near.close()
    far.close()


@given(
    frames=st.lists(st.tuples(st.integers(1, 2), st.binary(min_size=1, max_size=300)), max_size=8),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=8),
)
def test_however_they_are_cut(frames, cuts):
    near, far = socket.socketpair()
    sent = b"".join(frame(stream, data) for stream, data in frames)
    for _ in range(len(sent)):
        for cut in cuts:
            far.sendall(sent[:cut])
            sent = sent[cut:]
    far.close()
    assert spoken(Attached(near)) == frames


def test_what_tls_has_deciphered_already(pair):
    """Both frames are in one TLS record, so the socket itself has no more data to read."""
    near, far = (_secured(end, server=server) for end, server in zip(pair, (False, True), strict=True))
    server = threading.Thread(target=_greet, args=(far,))
    server.start()
    near.do_handshake()
    server.join(SECONDS)
    attached = Attached(near)
    reading = attached.frames()
    assert [next(reading), next(reading)] == [(1, b"one"), (2, b"two")]
    attached.send(b"order")
    assert far.recv(100) == b"order"
    attached.close()
    assert list(reading) == []


def _secured(end: socket.socket, *, server: bool) -> ssl.SSLSocket:
    """Without certificates, because the test controls both ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context.wrap_socket(end, server_side=server, do_handshake_on_connect=False)


def _greet(far: ssl.SSLSocket) -> None:
    far.do_handshake()
    far.sendall(frame(1, b"one") + frame(2, b"two"))


def test_closed_while_somebody_reads(pair):
    attached = Attached(pair[0])
    threading.Timer(0.05, attached.close).start()
    assert spoken(attached) == []
    attached.close()
    with pytest.raises(BrokenPipeError):
        attached.send(b"too late")


def test_more_than_the_other_end_takes_at_once(pair):
    data = bytes(range(256)) * 40_000
    attached = Attached(pair[0])
    taken = bytearray()

    def take() -> None:
        while len(taken) < len(data):
            taken.extend(pair[1].recv(1 << 16))

    reader = threading.Thread(target=take)
    reader.start()
    attached.send(data)
    reader.join(SECONDS)
    assert taken == data
