"""How a master listens, and how a manager visits it: sockets of ours under CPython's own connections."""

import contextlib
import errno
import os
import socket
import time
from multiprocessing.connection import Connection
from multiprocessing.util import is_exiting
from typing import Any

from helpers.jobqueue.transport import (
    BUSY,
    CONNECT_TIMEOUT,
    SILENCE_TIMEOUT,
    Stream,
    borrowed,
    limit_waiting,
    prove,
    tuned,
)

_GOODBYE_TIMEOUT = 0.3  # seconds


class ServerConnection(Connection):
    """A master's end of a connection: whoever is silent before it has proved the key is hung up on.

    The proof is read by ``recv_bytes``; only then come requests, which are read by ``recv`` and may be far
    apart.
    """

    _proven = False

    def __init__(self, handle: int) -> None:
        """Take over a socket."""
        super().__init__(handle)
        limit_waiting(handle, SILENCE_TIMEOUT)

    def recv(self) -> Any:
        """Return the next request."""
        if not self._proven:
            self._proven = True
            limit_waiting(self.fileno(), 0)
        return super().recv()

    def stream(self) -> "Stream":
        """Return the same connection as one that carries our own messages. It needs no further file."""
        return Stream(socket.socket(fileno=self.fileno()), self)


def refuse(handle: int) -> None:
    """Tell a visitor that there is no place for it; the connection has to be closed then."""
    with contextlib.suppress(OSError), borrowed(handle) as plain:
        plain.sendall(len(BUSY).to_bytes(4, "big") + BUSY)


class Listener:
    """A ``multiprocessing.connection.Listener`` with tuned sockets that can always refuse."""

    def __init__(self, address: tuple[str, int], backlog: int) -> None:
        """Listen. The manager asks for a backlog of 16: the 17th at once would wait for a second."""
        self._socket = socket.create_server(address, backlog=max(backlog, 1024))
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)  # a file to give up, to refuse a visitor
        self.address = self._socket.getsockname()

    def accept(self) -> ServerConnection:
        """Wait for a visitor. Raises OSError when there was no file for it; it has been refused then."""
        try:
            plain, _ = self._socket.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._refuse()
            time.sleep(0.01)  # the server tries again at once
            raise
        return ServerConnection(tuned(plain).detach())

    def _refuse(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        with contextlib.suppress(OSError):
            plain, _ = self._socket.accept()
            with plain:
                refuse(plain.fileno())
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def visit(address: tuple[str, int], authkey: bytes | None = None) -> Connection:
    """Connect and prove the key, as ``multiprocessing.connection.Client`` does, on a tuned socket.

    Raises TimeoutError when the master takes longer than ``CONNECT_TIMEOUT``, and what ``Client`` raises. A
    program that ends says goodbye for each of its proxies, and does not wait that long for a silent master.
    """
    timeout = _GOODBYE_TIMEOUT if is_exiting() else CONNECT_TIMEOUT
    connection = Connection(tuned(socket.create_connection(address, timeout)).detach())
    try:
        limit_waiting(connection.fileno(), timeout)
        if authkey is not None:
            prove(connection, authkey)
        limit_waiting(connection.fileno(), 0)
    except BlockingIOError:
        connection.close()
        raise TimeoutError(f"no proof of the key for {timeout} s") from None
    except BaseException:
        connection.close()
        raise
    return connection
