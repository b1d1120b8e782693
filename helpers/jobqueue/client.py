"""The client: a connection to a master, wherever it is, to give tasks and to collect results."""

import queue
from collections.abc import Iterable, Iterator, Sized
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from helpers.jobqueue.batch import Batch
from helpers.jobqueue.board import Shelved, Stats, View
from helpers.jobqueue.channel import RemoteBoard
from helpers.jobqueue.key import as_key
from helpers.jobqueue.reports import Value, computer
from helpers.traces import Trace

if TYPE_CHECKING:
    from helpers.jobqueue.protocol import QueueManager


class TaskFailed(RuntimeError):
    """A task was given up. The message holds the errors of its tries."""


class Client(RemoteBoard):
    """A master's client: work for its workers, its figures, and its two plain queues.

    Use it in a ``with`` block, or end it by ``close()``. When it has gone, for whatever reason, the master
    forgets what it has given and not collected, unless the master keeps a journal.
    """

    def __init__(self, host: str, port: int, key: str | bytes) -> None:
        """Connect. Raises NobodyThere or KeyRefused where there is no such master."""
        super().__init__(host, port, as_key(key))

    def __repr__(self) -> str:
        """Return where the master is, and never its key."""
        return f"<{type(self).__name__} at {self.host}:{self.port}, process {self.pid}>"

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    @property
    def task_queue(self) -> "queue.Queue[Any]":
        """The plain queue of tasks, as in the article: a proxy."""
        return self._plain[0]

    @property
    def result_queue(self) -> "queue.Queue[Any]":
        """The plain queue of results: a proxy."""
        return self._plain[1]

    @cached_property
    def _manager(self) -> "QueueManager":
        from helpers.jobqueue.protocol import connect  # only here, as it takes a while to import

        return connect(self.host, self.port, self.key)

    @cached_property
    def _plain(self) -> tuple["queue.Queue[Any]", "queue.Queue[Any]"]:
        return self._manager.get_task_queue(), self._manager.get_result_queue()

    def map(
        self, function: str, arguments: Iterable[Any], timeout: float | None = None, *, progress: bool = False
    ) -> Iterator[Any]:
        """Return ``function`` of each argument, one after the other in the order of the arguments.

        ``function`` is a name in ``functions``, or "module:function" of a module that the workers were
        started to allow. ``arguments`` may be endless: they are read as results are taken. ``progress``
        shows a bar. Raises ValueError for another name, TaskFailed for a task that was given up, TimeoutError
        when not all is done within ``timeout`` seconds (None: there is no limit), and MasterGone.
        """
        batch = Batch(self, function, arguments, keep=False, timeout=timeout)
        return _values(batch, _shown(batch.in_order(timeout), arguments, progress))

    def run(
        self, function: str, arguments: Iterable[Any], timeout: float | None = None, *, progress: bool = False
    ) -> Trace:
        """Do the same as ``map``, and return the trace: each task's times, worker, value and error.

        It knows the workers that had a task, and no others. Raises ValueError when there are no arguments.
        """
        batch = self.submit(function, arguments, timeout)
        try:
            for _ in _shown(batch.as_completed(timeout), arguments, progress):
                pass
            return batch.wait()
        finally:
            batch.cancel()

    def submit(self, function: str, arguments: Iterable[Any], timeout: float | None = None) -> Batch:
        """Give tasks to the master and return at once; results are taken from the batch."""
        return Batch(self, function, arguments, timeout=timeout)

    def batch(self, name: str) -> Batch:
        """Return a batch that a client has given to this master before, by its name; for one with a journal.

        It holds what the master was given; a client gives very many arguments by and by, as it takes results.
        Raises ValueError for a name that the master does not know, or does not know any more.
        """
        contents = self.ask("contents", name)
        if contents is None:
            raise ValueError(f"name: expected that of a batch that is at {self!r}, got {name!r}")
        return Batch.found(self, name, *contents)

    def stats(self) -> Stats:
        """Return what is on the board, and what has been done since the master started."""
        return Stats(*self.ask("stats"))

    def view(self, batches: Iterable[Batch] = ()) -> View:
        """Return where the tasks of these batches are, unless all are done; and what each worker holds."""
        return View(*self.ask("view", [batch.name for batch in batches]))

    def shelf(self) -> list[Shelved]:
        """Return the dead-letter queue: the last thousand tasks that were given up, with their errors."""
        return [Shelved(*task) for task in self.ask("shelf")]


def _values(batch: Batch, ends: Iterator[Value]) -> Iterator[Any]:
    try:
        for number, worker, value, error in ends:
            if error is not None:
                raise TaskFailed(f"task {number} failed in worker process {computer(worker)[1]}: {error}")
            yield value
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
