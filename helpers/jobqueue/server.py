"""The server in a master: a manager's server for the plain queues, and for the board messages of our own.

A visitor that has proved the key makes a request. "create" and its like are CPython's, by which any manager
reaches the queues. "board" is ours: from then on the connection carries calls of the board's methods, one
after the other, and the board knows which client or worker is at its other end.

CPython's inside that is used here: ``multiprocessing.managers.Server``, its ``registry``, ``public``,
``accepter`` and ``handle_request``.
"""

import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing import managers
from typing import Any

from helpers.clocked import text_of
from helpers.jobqueue.errors import QueueError, is_lost
from helpers.jobqueue.listener import ServerConnection, refuse
from helpers.jobqueue.protocol import SERIALIZER
from helpers.jobqueue.shared import METHODS, SharedBoard
from helpers.jobqueue.transport import Stream, pack


class Server(managers.Server):
    """Serves objects by name, and the board."""

    public = [*managers.Server.public, "board"]  # noqa: RUF012, as CPython has it

    def __init__(
        self,
        objects: Mapping[str, Callable[[], object]],
        shared: SharedBoard,
        address: tuple[str, int],
        key: bytes,
    ) -> None:
        """Listen at this address. Raises OSError when that is not possible."""
        registry: Any = {name: (get, None, None, None) for name, get in objects.items()}
        super().__init__(registry, address, key, SERIALIZER)
        self._shared = shared

    def accepter(self) -> None:
        """Let visitors in, a thread for each; one for which there is no thread is refused."""
        while True:
            try:
                visitor = self.listener.accept()  # type: ignore[attr-defined]
            except OSError:
                continue
            try:
                threading.Thread(target=self.handle_request, args=(visitor,), daemon=True).start()
            except (RuntimeError, MemoryError):
                refuse(visitor.fileno())
                visitor.close()

    def board(self, connection: ServerConnection, visitor: str) -> None:
        """Answer the board's calls until the connection ends; ``visitor`` is a client's name, or ""."""
        _serve(self._shared, connection.stream(), visitor)
        sys.exit()  # as CPython's own server ends the thread of a visitor that has left


def _serve(shared: SharedBoard, stream: Stream, visitor: str) -> None:
    """Answer calls, each a method's name and its arguments, until the visitor leaves."""
    if visitor:
        shared.come(visitor)
    try:
        while True:
            stream.send(_answer(shared, stream))
    except (OSError, EOFError) as error:
        if not is_lost(error):
            print(f"master: a visitor was lost ({error})", file=sys.stderr, flush=True)
    finally:
        if visitor:
            shared.go(visitor)
        stream.close()


def _answer(shared: SharedBoard, stream: Stream) -> bytes:
    """Receive a call and return the answer, packed: what is wrong, or "", and the value."""
    try:
        call = stream.receive()
        return pack(("", _call(shared, call)))
    except MemoryError:
        return pack(
            ("it has no memory for that: send less at a time, or start it where it may use more", None)
        )
    except CallFailed as error:
        return pack((str(error), None))


class CallFailed(Exception):
    """A call could not be done; the message says why."""


def _call(shared: SharedBoard, packed: bytes | bytearray) -> Any:
    try:
        method, arguments = pickle.loads(packed)
        if method not in METHODS:
            raise ValueError(f"expected one of {', '.join(METHODS)}, got {method!r}")
        return getattr(shared, method)(*arguments)
    except MemoryError:
        raise
    except QueueError as error:
        raise CallFailed(str(error)) from error
    except Exception as error:
        raise CallFailed(text_of(error)) from error
