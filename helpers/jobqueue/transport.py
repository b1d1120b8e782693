"""How bytes travel between a master and those who connect to it: tuned sockets, a proof of the key in time.

All that this package takes from CPython's inside is here, so that a new Python breaks this module alone:
``multiprocessing.managers.listener_client``, where a manager looks up how to listen and to connect, and
``answer_challenge`` and ``deliver_challenge``, by which two sides prove to each other that they have one key.
"""

import socket
import struct
import sys
import time
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from multiprocessing.managers import listener_client  # type: ignore[attr-defined]
from typing import Any

SERIALIZER = "tuned"
"""The name, for a manager, of what is here."""

GREETING = b"#CHALLENGE#"
"""How the manager's server opens every connection."""

CONNECT_TIMEOUT = 5
"""Seconds that an address has to answer."""

SILENCE_TIMEOUT = 10
"""Seconds without a sign from the other side's system, after which a connection is taken for lost."""


def _tuned(plain: socket.socket) -> socket.socket:
    """Have a socket send at once, and fail when the other side cannot be reached for ``SILENCE_TIMEOUT``.

    By default TCP holds a small message back while another is on its way (Nagle's algorithm, RFC 896), and
    the other side waits up to 40 ms before it confirms one: every connection would lose this time. And by
    default a connection whose cable is cut is taken for one on which nobody has anything to say.
    """
    plain.settimeout(None)  # wait for ever in general, as for a task
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wishes = {"TCP_KEEPIDLE": SILENCE_TIMEOUT // 2, "TCP_KEEPALIVE": SILENCE_TIMEOUT // 2, "TCP_KEEPINTVL": 1,
              "TCP_KEEPCNT": SILENCE_TIMEOUT // 2, "TCP_USER_TIMEOUT": SILENCE_TIMEOUT * 1000}  # fmt: skip
    for name, value in wishes.items():
        if hasattr(socket, name):  # each system has some of them
            plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return plain


class _ServerConnection(Connection):
    """A master's end of a connection: whoever is silent before it has proved the key is hung up on.

    The proof is read by ``recv_bytes``; only then come requests, which are read by ``recv`` and may be far
    apart.
    """

    _proven = False

    def __init__(self, handle: int) -> None:
        """Take over a socket."""
        super().__init__(handle)
        _limit_reading(handle, SILENCE_TIMEOUT)

    def recv(self) -> Any:
        """Return the next request."""
        if not self._proven:
            self._proven = True
            _limit_reading(self.fileno(), 0)
        return super().recv()


def _limit_reading(handle: int, seconds: int) -> None:
    """Have every read from a socket that gets nothing for so many seconds fail; 0 is for never."""
    limit = seconds * 1000 if sys.platform == "win32" else struct.pack("ll", seconds, 0)
    plain = socket.socket(fileno=handle)
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    finally:
        plain.detach()


class _Listener:
    """A ``multiprocessing.connection.Listener`` with tuned sockets."""

    def __init__(self, address: tuple[str, int], backlog: int) -> None:
        """Listen. The manager asks for a backlog of 16: the 17th at once would wait for a second."""
        self._socket = socket.create_server(address, backlog=max(backlog, 1024))
        self.address = self._socket.getsockname()

    def accept(self) -> _ServerConnection:
        """Wait for a client or a worker."""
        try:
            plain, _ = self._socket.accept()
        except OSError:  # too many open files, most likely: the server tries again at once
            time.sleep(0.1)
            raise
        return _ServerConnection(_tuned(plain).detach())

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def _connect(address: tuple[str, int], authkey: bytes | None = None) -> Connection:
    """Connect and prove the key, as ``multiprocessing.connection.Client`` does, on a tuned socket."""
    connection = Connection(_tuned(socket.create_connection(address, CONNECT_TIMEOUT)).detach())
    if authkey is not None:
        answer_challenge(connection, authkey)
        deliver_challenge(connection, authkey)
    return connection


listener_client[SERIALIZER] = (_Listener, _connect)
