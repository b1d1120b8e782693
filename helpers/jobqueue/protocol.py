"""What masters and workers agree on: names, tasks and results, the key, and how to reach a master."""

import os
import queue
import reprlib
import socket
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from multiprocessing.managers import BaseManager, listener_client  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, NamedTuple

from helpers.traces import Span

KEY_VARIABLE = "JOBQUEUE_KEY"
_GREETING = b"#CHALLENGE#"  # how the manager's server opens every connection
_PATIENCE = 5  # seconds to wait for an address to answer


def show(value: object, longest: int = 60) -> str:
    """Return a value in one line of at most about ``longest`` characters, whatever its repr does."""
    short = reprlib.Repr()
    short.maxstring = short.maxlong = short.maxother = longest
    try:
        return " ".join(short.repr(value).split())
    except Exception:  # Python refuses to turn whole numbers of more than 4300 digits into text
        return f"<{type(value).__name__}>"


class Task(NamedTuple):
    """A function's name and its argument, under an identity that the result carries back."""

    identity: tuple[str, int]
    function: str
    argument: Any

    def __str__(self) -> str:
        """Return the task as one would type it, in short."""
        return f"{self.function}({show(self.argument)})"


class Result(NamedTuple):
    """What became of a task: the span holds its value or error, its times and its worker."""

    identity: tuple[str, int]
    span: Span


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


def _prompt_client(address: tuple[str, int], authkey: bytes | None = None) -> Connection:
    """Connect and prove the key, as ``multiprocessing.connection.Client`` does, but send without delay.

    By default TCP holds a small message back while another is on its way (Nagle's algorithm, RFC 896), and
    the other side waits up to 40 ms before it confirms one: the handshake would lose this time every time.
    """
    with socket.create_connection(address) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(plain.detach())
    if authkey is not None:
        answer_challenge(connection, authkey)
        deliver_challenge(connection, authkey)
    return connection


listener_client["prompt"] = (Listener, _prompt_client)  # a manager asks here for the way to connect


class QueueManager(BaseManager):
    """The client's side of a master: it knows the names of the queues, and makes none."""

    get_task_queue: Callable[[], queue.Queue[Any]]
    get_result_queue: Callable[[], queue.Queue[Any]]


QueueManager.register("get_task_queue")
QueueManager.register("get_result_queue")


def connect(host: str, port: int, key: bytes) -> QueueManager:
    """Return a manager that is connected to the master at this address.

    Raises NobodyThere when nothing answers or what answers is no master, and KeyRefused for a wrong key.
    """
    _look(host, port)
    manager = QueueManager((host, port), key, serializer="prompt")
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
