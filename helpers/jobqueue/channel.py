"""Channels to a master's board: each is a thread with one connection, which asks and hands on the answers."""

import time
from typing import TYPE_CHECKING, Any

from helpers.jobqueue.errors import MasterGone
from helpers.jobqueue.shared import SharedBoard

if TYPE_CHECKING:
    from concurrent.futures import Future

_FRESH = 1  # seconds after an answer in which the connection is most likely still there


class Channel:
    """Asks one thing after the other, in a thread of its own.

    So an interrupt of the thread that waits for the answer leaves no half-read answer behind, and what was
    asked before comes before what is asked after.
    """

    def __init__(self, board: SharedBoard, master: str) -> None:
        """Use this proxy of the board. ``master`` is what errors call the master."""
        from concurrent.futures import ThreadPoolExecutor  # only here and below, as it takes a while

        self._board, self._master = board, master
        self._thread = ThreadPoolExecutor(1, "jobqueue")
        self._answered = time.monotonic()

    def ask(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call a method of the board.

        Raises MasterGone when there is no board any more, and TimeoutError when it has not answered within
        so many seconds; it is left to answer.
        """
        from concurrent.futures import wait
        from multiprocessing.managers import RemoteError

        answer: Future[Any] | None = None
        try:
            answer = self._thread.submit(getattr(self._board, method), *arguments)
            if wait([answer], timeout).done:
                self._answered = time.monotonic()
                return answer.result()
        except (EOFError, OSError, RemoteError, RuntimeError):
            raise MasterGone(
                f"{self._master} is gone: launch a new one, and give a batch to it by batch.resume(master)"
            ) from None
        finally:
            answer = None  # it holds an error, which holds this frame: a circle, with what was not sent in it
        raise TimeoutError(f"{self._master} has not answered {method} for {timeout} s")

    @property
    def fresh(self) -> bool:
        """Whether there was an answer just now."""
        return time.monotonic() - self._answered < _FRESH

    def close(self) -> None:
        """Close the connection as soon as all is answered."""
        self._thread.shutdown(wait=False)


class RemoteBoard:
    """A board in a master, and the channels to it: those that are idle are used again."""

    def __init__(self, board: SharedBoard, pid: int) -> None:
        """Use this proxy of the board of the master with this process number."""
        self.pid = pid
        self._board = board
        self._idle: list[Channel] = []

    def channel(self) -> Channel:
        """Return a channel that nobody uses: one that was given back just now, or a new one."""
        while self._idle:
            if (channel := self._idle.pop()).fresh:
                return channel
            channel.close()
        return Channel(self._board, repr(self))

    def give_back(self, channel: Channel) -> None:
        """Take a channel back for the next batch: to open a new one takes longer than a few small tasks."""
        self._idle.append(channel)
