"""A line to a master's board: one thread with one connection, which asks and hands on the answers."""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing.managers import RemoteError
from typing import Any

from helpers.jobqueue.protocol import MasterGone

_FRESH = 1  # seconds after an answer in which the connection is most likely still there


class Line:
    """Asks one thing after the other, in a thread of its own.

    So an interrupt of the thread that waits for the answer leaves no half-read answer behind, and what was
    asked before comes before what is asked after.
    """

    def __init__(self, board: Any, master: str) -> None:
        """Use this proxy of the board. ``master`` is what errors call the master."""
        self._board, self._master = board, master
        self._thread = ThreadPoolExecutor(1, "jobqueue")
        self._answered = time.monotonic()

    def ask(self, method: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Call a method of the board.

        Raises MasterGone when there is no board any more, and TimeoutError when it has not answered within
        so many seconds; it is left to answer.
        """
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

    def hang_up(self) -> None:
        """Close the connection as soon as all is answered."""
        self._thread.shutdown(wait=False)
