"""A line to a master's board: one thread with one connection, which asks and hands on the answers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from helpers.jobqueue.protocol import MasterGone


class Line:
    """Asks one thing after the other, in a thread of its own.

    So an interrupt of the thread that waits for the answer leaves no half-read answer behind, and what was
    asked before comes before what is asked after.
    """

    def __init__(self, board: Any, master: str) -> None:
        """Use this proxy of the board. ``master`` is what errors call the master."""
        self._board, self._master = board, master
        self._thread = ThreadPoolExecutor(1, "jobqueue")

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the board. Raises MasterGone when no answer comes."""
        try:
            return self._thread.submit(getattr(self._board, method), *arguments).result()
        except (EOFError, OSError):
            raise MasterGone(
                f"{self._master} is gone: launch a new one, and give a batch to it by batch.resume(master)"
            ) from None

    def hang_up(self) -> None:
        """Close the connection as soon as all is answered."""
        self._thread.shutdown(wait=False)
