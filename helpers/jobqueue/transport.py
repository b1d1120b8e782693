"""How bytes travel to a master: sockets, the proof of the key, and messages; ``listener`` is its own side.

A visitor is first asked to prove that it has the key, and asks the same of the master, as it is with
CPython's managers, of which a master is one. CPython's inside that is used here: ``answer_challenge`` and
``deliver_challenge`` of ``multiprocessing.connection``.
"""

import contextlib
import pickle
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from helpers.jobqueue.errors import KeyRefused, NobodyThere, QueueError, is_lost, is_ours, own_trouble

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CONNECT_TIMEOUT = 5
"""Seconds that an address has to answer a new visitor."""

SILENCE_TIMEOUT = 10
"""Seconds without a sign from the other side's system, after which a connection is taken for lost; and
seconds that a visitor may take to prove the key."""

_GREETING = b"#CHALLENGE#"  # how a manager's server opens every connection, behind the length of its message
BUSY = b"#BUSY#"  # how ours opens one that it has no thread or file for
_LENGTH = struct.Struct("!Q")
_PIECE = 2**16  # bytes to read at a time, and up to which a message is sent in one piece


def tuned(plain: socket.socket) -> socket.socket:
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


def limit_waiting(handle: int, seconds: float) -> None:
    """Have every read from and write to a socket that waits for so many seconds fail; 0 is for never."""
    limit: int | bytes = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    if sys.platform == "win32":
        limit = int(seconds * 1000)
    with borrowed(handle) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


@contextlib.contextmanager
def borrowed(handle: int) -> Iterator[socket.socket]:
    """Hand out a socket that stays somebody else's."""
    plain = socket.socket(fileno=handle)
    try:
        yield plain
    finally:
        plain.detach()


def prove(connection: "Connection", key: bytes) -> None:
    """Prove to the other side that we have the key, and have it prove the same."""
    from multiprocessing.connection import answer_challenge, deliver_challenge  # they take a while to import

    answer_challenge(connection, key)
    deliver_challenge(connection, key)


def dial(host: str, port: int, key: bytes, request: tuple[Any, ...], timeout: float) -> "Stream":
    """Connect to a master's server, prove the key, make a first request, and return the connection.

    All this takes ``timeout`` seconds at the most. Raises NobodyThere when nothing answers at the address or
    what answers is no master, KeyRefused for a wrong key, TimeoutError when the other side is silent, and
    QueueError for trouble of our own.
    """
    from multiprocessing import AuthenticationError
    from multiprocessing.connection import Connection

    end = time.monotonic() + timeout
    where = f"{host}:{port}"
    try:
        plain = tuned(socket.create_connection((host, port), timeout))
    except (OverflowError, UnicodeError) as error:
        raise NobodyThere(f"nothing answers at {where} ({error}): check host and port") from None
    except OSError as error:
        if is_ours(error):
            raise TimeoutError(f"the master at {where} has not answered for {timeout:g} s") from None
        if is_lost(error) or isinstance(error, socket.gaierror):
            raise NobodyThere(
                f"nothing answers at {where} ({error}): start the master first, check host and port"
            ) from None
        raise own_trouble(error) from error
    try:
        _await_greeting(plain, where, end)
        connection = Connection(plain.dup().detach())
        with connection:
            limit_waiting(connection.fileno(), max(0.001, end - time.monotonic()))
            prove(connection, key)
            connection.send(request)
        limit_waiting(plain.fileno(), 0)
        return Stream(plain)
    except BaseException as error:
        plain.close()
        if isinstance(error, AuthenticationError):
            raise KeyRefused(
                f"the master at {where} refused the key: give the worker the master's key, by --key-file or "
                "JOBQUEUE_KEY"
            ) from None
        if isinstance(error, BlockingIOError) or is_ours(error):
            raise TimeoutError(f"the master at {where} has not answered for {timeout:g} s") from None
        if is_lost(error):
            raise NobodyThere(f"the master at {where} left while connecting: start it again") from None
        if isinstance(error, OSError):
            raise own_trouble(error) from error
        raise


def look(host: str, port: int) -> None:
    """Check that a master answers at this address. Raises NobodyThere, QueueError for our own trouble."""
    end = time.monotonic() + CONNECT_TIMEOUT
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT) as plain:
            _await_greeting(plain, f"{host}:{port}", end)
    except (OverflowError, UnicodeError) as error:
        raise NobodyThere(f"nothing answers at {host}:{port} ({error}): check host and port") from None
    except OSError as error:
        if is_lost(error) or isinstance(error, TimeoutError | socket.gaierror):
            raise NobodyThere(
                f"nothing answers at {host}:{port} ({error}): start the master first, check host and port"
            ) from None
        raise own_trouble(error) from error


def _await_greeting(plain: socket.socket, where: str, end: float) -> None:
    """Look at how the other side opens the connection, and leave it there to be read."""
    expected = 4 + len(_GREETING)
    while True:
        plain.settimeout(max(0.001, end - time.monotonic()))
        greeting = plain.recv(expected, socket.MSG_PEEK)
        if not greeting:
            raise NobodyThere(
                f"what answers at {where} closes the connection at once: is the master just ending, or is it "
                "another program? check host and port"
            )
        if greeting[4:].startswith(BUSY):
            raise QueueError(f"the master at {where} can take no more visitors now: try again later")
        if not _GREETING.startswith(greeting[4:]) or greeting[:3] > b"\0\0\0":
            raise NobodyThere(
                f"what answers at {where} is no master: another program has this port, check host and port"
            )
        if len(greeting) == expected:
            plain.settimeout(None)
            return
        time.sleep(0.001)  # the rest is on its way


# --- Messages ----------------------------------------------------------------------------------------


class Stream:
    """A connection that carries messages, any object that can be pickled, each behind its length."""

    def __init__(self, plain: socket.socket, owner: "Connection | None" = None) -> None:
        """Use this socket, and own it from now on; or its ``owner``, who closes it."""
        self._socket, self._owner = plain, owner
        self._ahead = b""  # of the next message, read together with the last
        self._timeout: float | None = None

    def send(self, packed: bytes, end: float | None = None) -> None:
        """Send a message that is packed already. Raises TimeoutError when ``end`` (monotonic) comes first."""
        self._limit(end)
        if len(packed) < _PIECE:
            self._socket.sendall(_LENGTH.pack(len(packed)) + packed)
        else:
            self._socket.sendall(_LENGTH.pack(len(packed)))
            self._socket.sendall(packed)

    def receive(self, end: float | None = None) -> bytes | bytearray:
        """Wait for a message and return it, packed.

        Raises EOFError when the other side has left, TimeoutError, and MemoryError for a message that there
        is no memory for; it is passed over, and the next one can be received.
        """
        begin = self._ahead or self._read(_PIECE, end)
        while len(begin) < _LENGTH.size:
            begin += self._read(_PIECE, end)
        (length,) = _LENGTH.unpack_from(begin)
        message, self._ahead = begin[_LENGTH.size : _LENGTH.size + length], begin[_LENGTH.size + length :]
        return message if len(message) == length else self._rest(message, length, end)

    def _rest(self, message: bytes, length: int, end: float | None) -> bytearray:
        """Return all of a message of which a part is there."""
        missing = length - len(message)
        try:
            whole = bytearray(length)
        except MemoryError:
            while missing:
                missing -= len(self._read(min(missing, _PIECE), end))
            raise
        whole[: len(message)] = message
        view = memoryview(whole)
        while missing:
            self._limit(end)
            if not (count := self._socket.recv_into(view[length - missing :], missing)):
                raise EOFError("the other side has left")
            missing -= count
        return whole

    def has_ended(self) -> bool:
        """Tell whether the other side has closed a connection on which nothing is awaited."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def close(self) -> None:
        """Close it; also from another thread than the one that uses it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._owner:
            self._socket.detach()
            self._owner.close()
        else:
            self._socket.close()

    def _read(self, most: int, end: float | None) -> bytes:
        """Return what is there, and wait until something is."""
        self._limit(end)
        found = self._socket.recv(most)
        if not found:
            raise EOFError("the other side has left")
        return found

    def _limit(self, end: float | None) -> None:
        """Have the next call fail when it waits beyond this moment."""
        if end is None and self._timeout is None:
            return
        self._timeout = None if end is None else max(0.001, end - time.monotonic())
        self._socket.settimeout(self._timeout)


def pack(message: object) -> bytes:
    """Return a message as ``Stream.send`` wants it."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
