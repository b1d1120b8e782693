"""What masters, workers and clients agree on: names, the key, errors, and how to reach each other."""

import ipaddress
import os
import queue
import reprlib
import socket
import struct
import sys
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from multiprocessing.managers import (  # type: ignore[attr-defined]
    BaseManager,
    MakeProxyType,
    listener_client,
)
from pathlib import Path
from typing import Any

KEY_VARIABLE = "JOBQUEUE_KEY"
_GREETING = b"#CHALLENGE#"  # how the manager's server opens every connection
_PATIENCE = 5  # seconds to wait for an address to answer
SHORTEST_KEY = 16  # bytes
SILENCE = 10  # seconds without a sign from the other side, after which it is taken for gone


def show(value: object, longest: int = 60) -> str:
    """Return a value in one line of at most about ``longest`` characters, whatever its repr does."""
    if isinstance(value, bytes | bytearray) and len(value) > longest:
        return f"{len(value):,} bytes"  # to write out a large file only to cut it takes a while
    short = reprlib.Repr()
    short.maxstring = short.maxlong = short.maxother = longest
    try:
        return " ".join(short.repr(value).split())
    except Exception:  # Python refuses to turn whole numbers of more than 4300 digits into text
        return f"<{type(value).__name__}>"


class QueueError(Exception):
    """Something a user can mend. The message says what and how; ``exit_code`` is the program's."""

    exit_code = 2


class KeyRefused(QueueError):
    """The master has another key."""

    exit_code = 3


class NobodyThere(QueueError):
    """No master answers at the address."""

    exit_code = 4


class MasterGone(QueueError):
    """The master has left, or cannot be reached any more."""

    exit_code = 5


def _tuned(plain: socket.socket) -> socket.socket:
    """Have a socket send without delay, and fail when the other side is not to be reached for ``SILENCE``.

    By default TCP holds a small message back while another is on its way (Nagle's algorithm, RFC 896), and
    the other side waits up to 40 ms before it confirms one: every connection would lose this time. And by
    default a connection whose cable is cut is taken for one on which nobody has anything to say.
    """
    plain.settimeout(None)  # wait for ever in general, as for a task
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wishes = {"TCP_KEEPIDLE": SILENCE // 2, "TCP_KEEPALIVE": SILENCE // 2, "TCP_KEEPINTVL": 1,
              "TCP_KEEPCNT": SILENCE // 2, "TCP_USER_TIMEOUT": SILENCE * 1000}  # fmt: skip
    for name, value in wishes.items():
        if hasattr(socket, name):  # each system has some of them
            plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return plain


class _Visitor(Connection):
    """A connection to a master, which shows out those who are silent before they have proved the key.

    The proof is read by ``recv_bytes``; only then come requests, which are read by ``recv`` and may be far
    apart.
    """

    _proven = False

    def __init__(self, handle: int) -> None:
        """Take over a socket."""
        super().__init__(handle)
        _limit_reading(handle, SILENCE)

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


class _Door:
    """Where a master's visitors come in; a ``multiprocessing.connection.Listener`` with tuned sockets."""

    def __init__(self, address: tuple[str, int], backlog: int) -> None:
        """Open it. The manager asks for a backlog of 16: the 17th visitor at once would wait for a second."""
        self._socket = socket.create_server(address, backlog=max(backlog, 1024))
        self.address = self._socket.getsockname()

    def accept(self) -> _Visitor:
        """Wait for a visitor."""
        try:
            plain, _ = self._socket.accept()
        except OSError:  # too many open files, most likely: the server tries again at once
            time.sleep(0.1)
            raise
        return _Visitor(_tuned(plain).detach())

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def _visit(address: tuple[str, int], authkey: bytes | None = None) -> Connection:
    """Connect and prove the key, as ``multiprocessing.connection.Client`` does, on a tuned socket."""
    connection = Connection(_tuned(socket.create_connection(address, _PATIENCE)).detach())
    if authkey is not None:
        answer_challenge(connection, authkey)
        deliver_challenge(connection, authkey)
    return connection


listener_client["tuned"] = (_Door, _visit)  # a manager asks here for the way to listen and to connect


_BoardProxy: Any = MakeProxyType(
    "BoardProxy",
    [
        "cancel",
        "collect",
        "heartbeat",
        "hello",
        "join",
        "leave",
        "record",
        "shelf",
        "stats",
        "submit",
        "take",
    ],
)


class QueueManager(BaseManager):
    """The client's side of a master: it knows the names of the queues and the board, and makes none."""

    get_task_queue: Callable[[], queue.Queue[Any]]
    get_result_queue: Callable[[], queue.Queue[Any]]
    get_board: Callable[[], Any]  # methods: those of master.SharedBoard


QueueManager.register("get_task_queue")
QueueManager.register("get_result_queue")
QueueManager.register("get_board", proxytype=_BoardProxy)


def connect(host: str, port: int, key: bytes) -> QueueManager:
    """Return a manager that is connected to the master at this address.

    Raises NobodyThere when nothing answers or what answers is no master, and KeyRefused for a wrong key.
    """
    _look(host, port)
    manager = QueueManager((host, port), key, serializer="tuned")
    try:
        manager.connect()
    except AuthenticationError:
        raise KeyRefused(
            f"the master at {host}:{port} refused the key: give the worker the master's key, "
            f"by --key-file or {KEY_VARIABLE}"
        ) from None
    except (OSError, EOFError) as error:
        raise NobodyThere(f"the master at {host}:{port} left while connecting ({error})") from None
    return manager


def _look(host: str, port: int) -> None:
    """Check that a master answers. The manager itself would wait for ever for an answer that is none."""
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE) as connection,
            connection.makefile("rb") as stream,
        ):
            greeting = stream.read(4 + len(_GREETING))
    except (OSError, OverflowError, UnicodeError) as error:
        raise NobodyThere(
            f"nothing answers at {host}:{port} ({error}): start the master first, check host and port"
        ) from None
    if not greeting.endswith(_GREETING):
        raise NobodyThere(
            f"what answers at {host}:{port} is no master: another program has this port, check host and port"
        )


def risks(host: str, key: bytes) -> list[str]:
    """Return what is dangerous about serving at this address with this key, each with its remedy."""
    found = []
    if not _is_here(host):
        found.append(
            f"{host} is an address that other computers reach. Whoever has the key can run code here, and "
            "nothing on the way is secret: stay with 127.0.0.1 and let workers come through an SSH tunnel, "
            "or serve in a network that you trust"
        )
    if len(key) < SHORTEST_KEY:
        found.append(
            f"the key has {len(key)} bytes and can be guessed: leave it out, and a random one is made, "
            f"or give one of at least {SHORTEST_KEY}"
        )
    return found


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except (OSError, ValueError):
        return True  # no address at all: serving will fail


def find_key(key_file: str | None) -> bytes | None:
    """Return the key from the file, or else from the environment; None where neither is given.

    Raises QueueError for a file that cannot be read or is empty.
    """
    if key_file is None:
        return os.environ.get(KEY_VARIABLE, "").encode("utf-8", "surrogateescape") or None
    try:
        key = Path(key_file).read_bytes().strip()
    except OSError as error:
        raise QueueError(f"key file {key_file}: {error.strerror}; give a file that holds the key") from None
    if not key:
        raise QueueError(f"key file {key_file} is empty: give a file that holds the key")
    return key
