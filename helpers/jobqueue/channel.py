"""Channels to a master's board: each is a connection, on which one asks and waits for the answer."""

import os
import pickle
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from helpers.jobqueue.errors import MasterGone, NobodyThere, QueueError, is_lost, is_ours, own_trouble
from helpers.jobqueue.transport import CONNECT_TIMEOUT, Stream, dial, pack

_IDLE = 2  # channels that are kept for the next who asks


class Channel:
    """One connection to the board. Whatever goes wrong in the middle of a call closes it."""

    def __init__(
        self, host: str, port: int, key: bytes, visitor: str, timeout: float = CONNECT_TIMEOUT
    ) -> None:
        """Connect. Raises what ``transport.dial`` raises."""
        self._where = f"{host}:{port}"
        self._stream: Stream | None = dial(host, port, key, (None, "board", (visitor,), {}), timeout)

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._stream is not None

    @property
    def is_lost(self) -> bool:
        """Whether a connection that nobody asks has been closed, by us or by the other side."""
        return self._stream is None or self._stream.has_ended()

    def ask(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call a method of the board and return its value.

        Raises MasterGone when the connection is lost, TimeoutError when the answer takes over ``timeout``
        seconds, and QueueError for what the master could not do and for trouble of our own.
        """
        call = pack((method, arguments))
        stream = self._stream
        if stream is None:
            raise MasterGone(f"the connection to the master at {self._where} is closed")
        end = None if timeout is None else time.monotonic() + timeout
        try:
            stream.send(call, end)
            problem, value = pickle.loads(stream.receive(end))
        except (OSError, EOFError) as error:
            self.close()
            if is_ours(error):
                raise TimeoutError(
                    f"the master at {self._where} has not answered {method} for {timeout:g} s"
                ) from None
            self._fail(error)
        except BaseException:  # an interrupt, or no memory: a half-read answer must not be left behind
            self.close()
            raise
        if problem:
            raise QueueError(f"the master at {self._where} could not do {method}: {problem}")
        return value

    def close(self) -> None:
        """Close the connection; nothing happens when it is closed."""
        stream, self._stream = self._stream, None
        if stream:
            stream.close()

    def _fail(self, error: OSError | EOFError) -> NoReturn:
        if is_lost(error):
            raise MasterGone(f"the master at {self._where} is gone: start it again") from None
        assert isinstance(error, OSError)
        raise own_trouble(error) from error


class RemoteBoard:
    """A board in a master, for any number of threads: each call has a channel to itself.

    One more stays open and is never asked: the board forgets what a client has given it when the client has
    no connection any more, and a call that is interrupted closes its own.
    """

    def __init__(self, host: str, port: int, key: bytes) -> None:
        """Connect. Raises NobodyThere or KeyRefused where there is no such master."""
        self.host, self.port, self.key = host, port, key
        self.name = os.urandom(8).hex()
        self._idle: deque[Channel] = deque()
        try:
            self._presence = Channel(host, port, key, self.name)
            self.pid, self.board = self._presence.ask("hello", timeout=CONNECT_TIMEOUT)
        except TimeoutError as error:
            raise NobodyThere(
                f"{error}: is it stopped, or is another program there? check host and port"
            ) from None

    def ask(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call a method of the board and return its value.

        Raises TimeoutError when all of it takes over ``timeout`` seconds, MasterGone when there is no board
        any more or another one is in its place, and QueueError.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._channel(end) as (channel, is_fresh):
            try:
                return channel.ask(method, *arguments, timeout=left(end))
            except MasterGone:
                if is_fresh:
                    raise MasterGone(self._gone()) from None
        # It had been idle, and may have been lost long ago, while the master is well.
        with self._fresh_channel(end) as channel:
            try:
                return channel.ask(method, *arguments, timeout=left(end))
            except MasterGone:
                raise MasterGone(self._gone()) from None

    def close(self) -> None:
        """Close all connections: the master forgets what we have given it, unless it keeps a journal."""
        self._presence.close()
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _channel(self, end: float | None) -> Iterator[tuple[Channel, bool]]:
        """Hand out a channel and whether it is new."""
        try:
            channel = self._idle.pop()
        except IndexError:
            with self._fresh_channel(end) as channel:
                yield channel, True
            return
        try:
            yield channel, False
        finally:
            self._give_back(channel)

    @contextmanager
    def _fresh_channel(self, end: float | None) -> Iterator[Channel]:
        timeout = left(end)
        try:
            channel = Channel(
                self.host, self.port, self.key, self.name, CONNECT_TIMEOUT if timeout is None else timeout
            )
            pid, board = channel.ask("hello", timeout=left(end))
            if self._presence.is_lost:
                self._presence = Channel(self.host, self.port, self.key, self.name)
        except (NobodyThere, MasterGone):
            raise MasterGone(self._gone()) from None
        if board != self.board:
            channel.close()
            raise MasterGone(
                f"another master is at {self.host}:{self.port} now: give it a batch by batch.resume(master)"
            )
        self.pid = pid
        try:
            yield channel
        finally:
            self._give_back(channel)

    def _give_back(self, channel: Channel) -> None:
        if channel.is_open and len(self._idle) < _IDLE:
            self._idle.append(channel)
        else:
            channel.close()

    def _gone(self) -> str:
        return f"{self!r} is gone: launch a new one, and give a batch to it by batch.resume(master)"


def left(end: float | None) -> float | None:
    """Return the seconds until a moment (monotonic), at least 0; None for none."""
    return None if end is None else max(0.0, end - time.monotonic())
