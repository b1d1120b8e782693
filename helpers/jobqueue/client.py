"""The client: a connection to a master, wherever it is, to give tasks and to collect results."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any

from helpers.jobqueue.batch import Batch
from helpers.jobqueue.board import Shelved, Stats
from helpers.jobqueue.channel import RemoteBoard
from helpers.jobqueue.reports import Value
from helpers.traces import Trace


class TaskFailed(RuntimeError):
    """A task was given up. The message holds the errors of its tries."""


class Client(RemoteBoard):
    """A master's client: work for its workers, its figures, and its two plain queues."""

    def __init__(self, host: str, port: int, key: bytes) -> None:
        """Connect. Raises NobodyThere or KeyRefused where there is no such master."""
        self.host, self.port, self.key = host, port, key
        from helpers.jobqueue.protocol import connect  # only here, as it takes a while to import

        self._manager = connect(host, port, key)
        self.task_queue, self.result_queue = self._manager.get_task_queue(), self._manager.get_result_queue()
        board = self._manager.get_board()
        super().__init__(board, board.hello())
        self._channel = self.channel()

    def __repr__(self) -> str:
        """Return where the master is, and never its key."""
        return f"<{type(self).__name__} at {self.host}:{self.port}, process {self.pid}>"

    def map(
        self, function: str, arguments: Iterable[Any], timeout: float = 60, *, progress: bool = False
    ) -> Iterator[Any]:
        """Return ``function`` of each argument, one after the other in the order of the arguments.

        ``function`` is a name in ``functions``. ``arguments`` may be endless: they are read as results are
        taken. ``progress`` shows a bar. Raises ValueError for another name, TaskFailed for a task that was
        given up, TimeoutError when nothing has come for ``timeout`` seconds, and MasterGone.
        """
        batch = Batch(self, function, arguments, keep=False)
        return _values(batch, _shown(batch.in_order(timeout), arguments, progress))

    def run(
        self, function: str, arguments: Iterable[Any], timeout: float = 60, *, progress: bool = False
    ) -> Trace:
        """Do the same as ``map``, and return the trace: each task's times, worker, value and error.

        It knows the workers that had a task, and no others. Raises ValueError when there are no arguments.
        """
        batch = self.submit(function, arguments)
        try:
            for _ in _shown(batch.as_completed(timeout), arguments, progress):
                pass
            return batch.wait()
        finally:
            batch.cancel()

    def submit(self, function: str, arguments: Iterable[Any]) -> Batch:
        """Give tasks to the master and return at once; results are taken from the batch."""
        return Batch(self, function, arguments)

    def stats(self) -> Stats:
        """Return what is on the board, and what has been done since the master started."""
        return Stats(*self._channel.ask("stats"))

    def shelf(self) -> list[Shelved]:
        """Return the tasks that were given up, the last thousand, with the errors of all their tries."""
        return [Shelved(*task) for task in self._channel.ask("shelf")]


def _values(batch: Batch, ends: Iterator[Value]) -> Iterator[Any]:
    try:
        for end in ends:
            if end.error is not None:
                raise TaskFailed(f"task {end.job} failed in worker process {end.pid}: {end.error}")
            yield end.value
    finally:
        batch.cancel()


def _shown(ends: Iterator[Any], arguments: Iterable[Any], progress: bool) -> Iterator[Any]:
    """Pass on what became of tasks, under a progress bar if one is wanted."""
    if not progress:
        return ends
    from tqdm.auto import tqdm  # not before it is needed: it takes a while

    total = len(arguments) if isinstance(arguments, Sized) else None
    bar: Iterator[Any] = iter(tqdm(ends, total=total, unit="task"))
    return bar
