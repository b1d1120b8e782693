"""What masters, workers and clients agree on: the names of what a master serves, and how to reach it."""

import queue
import socket
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.managers import BaseManager
from typing import Any

from helpers.jobqueue.errors import KeyRefused, NobodyThere
from helpers.jobqueue.key import KEY_VARIABLE
from helpers.jobqueue.shared import SharedBoard
from helpers.jobqueue.transport import CONNECT_TIMEOUT, GREETING, SERIALIZER


class QueueManager(BaseManager):
    """The client's side of a master: it knows the names of the queues and the board, and makes none.

    What it hands out are proxies, whose methods are called in the master.
    """

    get_task_queue: Callable[[], queue.Queue[Any]]
    get_result_queue: Callable[[], queue.Queue[Any]]
    get_board: Callable[[], SharedBoard]


for name in ("get_task_queue", "get_result_queue", "get_board"):
    QueueManager.register(name)


def connect(host: str, port: int, key: bytes) -> QueueManager:
    """Return a manager that is connected to the master at this address.

    Raises NobodyThere when nothing answers or what answers is no master, and KeyRefused for a wrong key.
    """
    _look(host, port)
    manager = QueueManager((host, port), key, serializer=SERIALIZER)
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
            socket.create_connection((host, port), timeout=CONNECT_TIMEOUT) as connection,
            connection.makefile("rb") as stream,
        ):
            greeting = stream.read(4 + len(GREETING))
    except (OSError, OverflowError, UnicodeError) as error:
        raise NobodyThere(
            f"nothing answers at {host}:{port} ({error}): start the master first, check host and port"
        ) from None
    if not greeting.endswith(GREETING):
        raise NobodyThere(
            f"what answers at {host}:{port} is no master: another program has this port, check host and port"
        )
