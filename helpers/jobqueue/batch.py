"""A client's batch: tasks on their way, results as they come, and what to do when the master is lost."""

import contextlib
import os
import pickle
import time
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

from helpers.clocked import text_of
from helpers.jobqueue import functions, reports
from helpers.jobqueue.channel import RemoteBoard, left
from helpers.jobqueue.clocks import Offset
from helpers.jobqueue.errors import QueueError
from helpers.show import short
from helpers.traces import Span, Trace

WINDOW, WINDOW_BYTES = 10_000, 64_000_000
"""Tasks that a batch has given out and whose results nobody has taken yet, and bytes of their arguments, at
most: so any number of tasks needs bounded memory, here and at the master."""

_MESSAGE = 1000  # tasks or results in one message, at most
_COLLECT_INTERVAL = 0.0005  # seconds between two calls for results, so that the second brings more than one
_COLLECT_TIMEOUT = 0.5  # seconds that the master waits for results in one call
_CANCEL_TIMEOUT = 0.3  # seconds that a master has to answer when we leave
_LONELY = 2  # seconds without a result after which we look whether there is a worker at all


class Batch:
    """Tasks that were given to a master. ``finished`` holds the span of each that has ended, by number.

    ``name`` is the master's name for it, by which a client that was started anew finds it again, if the
    master keeps a journal. A batch that nobody refers to any more is forgotten by the master, too.
    """

    def __init__(
        self,
        master: RemoteBoard,
        function: str,
        arguments: Iterable[Any],
        keep: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Give the first tasks to a master, by its client; the others follow as results are taken.

        ``keep`` is False for a batch of which only the values are wanted: it makes a ``reports.Value`` for
        each task, no span, and forgets it when it has handed it out. Raises TypeError for what is no list,
        and for an argument that cannot be sent, here or as results are taken; those after it are left out.
        Raises TimeoutError when the master has not taken the first tasks within ``timeout`` seconds.
        """
        functions.check_name(function)
        if not isinstance(arguments, Iterable):
            raise TypeError(f"arguments: expected a list, one for each task, got {short(arguments)}")
        self.function, self._keep = function, keep
        self.finished: dict[int, Any] = {}
        self._fresh: OrderedDict[int, None] = OrderedDict()  # finished, and not handed out
        self._rest = enumerate(arguments)
        self._out: dict[int, tuple[float, bytes]] = {}  # by number: when it was given, its packed argument
        self._given = self._bytes = 0
        self._collected = 0.0  # when results came for the last time
        self._looked = False  # for workers
        self._stale: set[str] = set()  # workers that run an old form of the function, and were told of
        self._master = master
        self._leave: weakref.finalize[Any, Batch] | None = None
        self._join(master)
        try:
            self._feed(_end(timeout))
        except BaseException:
            self.cancel()
            raise

    @classmethod
    def found(
        cls, master: RemoteBoard, name: str, seen: int, tasks: list[tuple[int, str, bytes]], ended: list[int]
    ) -> "Batch":
        """Return a batch that another client gave to a master with a journal; for ``Client.batch``."""
        batch = cls(master, functions.square.__name__, ())
        batch.function = tasks[0][1] if tasks else "a function no longer known"
        batch._join(master, name)
        batch._seen = seen
        now = time.perf_counter()
        batch._out = dict.fromkeys(ended, (now, b"")) | {n: (now, packed) for n, _, packed in tasks}
        batch._bytes = sum(len(packed) for _, packed in batch._out.values())
        batch._given = len(batch._out)
        return batch

    def __repr__(self) -> str:
        """Return how far it is."""
        return (
            f"<Batch of {self.function}: {self._given - len(self._out)} tasks finished, {len(self._out)} out>"
        )

    def as_completed(self, timeout: float | None = None) -> Iterator[Span]:
        """Yield the span of each task as it ends, those that were not yet handed out.

        Raises TimeoutError when not all have ended within ``timeout`` seconds (None: there is no limit), and
        MasterGone. Warns when there is no worker.
        """
        end = _end(timeout)
        while self._fresh or self._busy(end):
            if self._fresh:
                yield self._take(next(iter(self._fresh)))
            else:
                self._collect(end)

    def in_order(self, timeout: float | None = None) -> Iterator[Any]:
        """Do the same in the order of the arguments, from the first."""
        end = _end(timeout)
        for number in count():
            while number not in self.finished:
                if not self._busy(end):
                    return
                self._collect(end)
            yield self._take(number)

    def wait(self, timeout: float | None = None) -> Trace:
        """Wait until all tasks have ended, and return their trace: times, workers, values and errors.

        Raises ValueError when there are no tasks, TimeoutError and MasterGone as ``as_completed`` does.
        """
        for _ in self.as_completed(timeout):
            pass
        spans = tuple(self.finished[number] for number in sorted(self.finished))
        workers = sorted({span.worker for span in spans}, key=lambda worker: (worker.host, worker.pid))
        return Trace("processes", spans, tuple(workers), self._master.pid)

    def resume(self, master: RemoteBoard) -> None:
        """Give all that is not finished to another master, or to one that was started again; then go on.

        One that keeps a journal knows the batch already, and has only to be asked for the rest.
        """
        if master.board != self._master.board:
            self._join(master)
        else:
            self._master = master
        self._give_again()

    def cancel(self) -> None:
        """Forget what is not finished."""
        self._out.clear()
        self._rest = enumerate(())
        self._forget()

    def _forget(self) -> None:
        """Have the master forget us, if it knows us."""
        if self._leave:
            self._leave()

    def _join(self, master: RemoteBoard, name: str = "") -> None:
        if self._leave:
            self._leave.detach()
        self._master, self._seen, self._offset = master, 0, Offset()
        self.name = name or os.urandom(8).hex()
        self._leave = weakref.finalize(self, _cancel, master, self.name)
        self._leave.atexit = False  # the master sees that we are gone

    def _give_again(self, end: float | None = None) -> None:
        tasks = [(number, self.function, packed) for number, (_, packed) in sorted(self._out.items())]
        for first in range(0, len(tasks), _MESSAGE):
            self._submit(tasks[first : first + _MESSAGE], end)

    def _busy(self, end: float | None) -> bool:
        """Give out what may be given out, and tell whether anything is out."""
        self._feed(end)
        if not self._out:
            self._forget()
        return bool(self._out)

    def _feed(self, end: float | None) -> None:
        while len(self._out) + len(self._fresh) < WINDOW and self._bytes < WINDOW_BYTES:
            tasks: list[tuple[int, str, bytes]] = []
            try:
                self._pack(tasks)
            except Exception:
                self._rest = enumerate(())
                raise
            finally:  # those before an error are given out, too
                if tasks:
                    now = time.perf_counter()
                    self._out.update((number, (now, packed)) for number, _, packed in tasks)
                    self._given += len(tasks)
                    self._submit(tasks, end)
            if not tasks:
                return

    def _pack(self, tasks: list[tuple[int, str, bytes]]) -> None:
        """Add the next tasks from the arguments, for one message."""
        function, left = self.function, WINDOW_BYTES - self._bytes
        for number, argument in islice(self._rest, _MESSAGE):
            try:
                packed = pickle.dumps(argument)
            except Exception as error:
                raise TypeError(f"arguments: number {number} cannot be sent: {text_of(error)}") from None
            tasks.append((number, function, packed))
            left -= len(packed)
            if left <= 0:
                break
        self._bytes = WINDOW_BYTES - left

    def _submit(self, tasks: list[tuple[int, str, bytes]], end: float | None = None) -> None:
        asked = time.perf_counter()
        theirs = self._master.ask("submit", self._master.name, self.name, tasks, timeout=left(end))
        self._offset.add(asked, theirs, time.perf_counter())

    def _collect(self, end: float | None) -> None:
        """Wait for results, and note them."""
        began = time.perf_counter()
        time.sleep(max(0, self._collected + _COLLECT_INTERVAL - began))
        while (rest := left(end)) != 0:
            turn = _COLLECT_TIMEOUT if rest is None else min(_COLLECT_TIMEOUT, rest)
            try:
                results = self._master.ask("collect", self.name, self._seen, _MESSAGE, turn, timeout=rest)
            except TimeoutError:
                break
            if results is None:  # the master has forgotten us, as we were away for too long
                self._join(self._master)
                self._give_again(end)
            elif results:
                self._collected = time.perf_counter()
                self._note(results, self._collected)
                return
            elif time.perf_counter() - began > _LONELY and not self._looked:
                self._looked = True
                self._look_for_workers(end)
        raise TimeoutError(
            f"{len(self._out)} tasks still out ({self._names_of_those_out()}) and the time for them is over"
            ": are workers running, and does a task take longer than that?"
        )

    def _look_for_workers(self, end: float | None) -> None:
        if not self._master.ask("stats", timeout=left(end))[-1]:
            warnings.warn(
                f"no worker is connected to this master (tasks out: {len(self._out)}): launch some, as by "
                "jobqueue.launch_workers(master, 2)",
                stacklevel=2,
            )

    def _names_of_those_out(self) -> str:
        """Return the first few tasks that are out, as one would type them."""
        names = []
        for _, packed in islice(self._out.values(), 5):
            try:
                names.append(f"{self.function}({short(pickle.loads(packed))})")
            except Exception:  # what reading an argument does is for its worker to say
                names.append(f"{self.function}(...)")
        return ", ".join(names) + ", ..." * (len(self._out) > 5)

    def _note(self, results: list[tuple[Any, ...]], back: float) -> None:
        unpack = reports.unpack if self._keep else reports.unpack_value
        ahead = self._offset.seconds
        out, finished, fresh = self._out, self.finished, self._fresh
        for number, worker, errors, report in results:
            if number in out:  # else an interrupt kept us from counting it as seen
                given, packed = out[number]
                error = _in_words(errors) if errors else None
                finished[number] = unpack(number, worker, report, error, given, back, ahead)
                fresh[number] = None
                self._bytes -= len(packed)
                del out[number]
                if report and reports.is_stale(report) and worker not in self._stale:
                    self._stale.add(worker)
                    warnings.warn(
                        f"worker {worker} runs {self.function} as it was when it started, and its file has "
                        "changed since: launch new workers to run the new form",
                        stacklevel=2,
                    )
            self._seen += 1

    def _take(self, number: int) -> Any:
        self._fresh.pop(number, None)
        return self.finished[number] if self._keep else self.finished.pop(number)


def _cancel(master: RemoteBoard, name: str) -> None:
    """Have the master forget a batch, if it is there to be told."""
    with contextlib.suppress(QueueError, TimeoutError):
        master.ask("cancel", name, timeout=_CANCEL_TIMEOUT)


def _in_words(errors: tuple[str, ...]) -> str:
    """Return the errors of all tries, each once."""
    tries = f" (tried {len(errors)} times)" * (len(errors) > 1)
    return "; ".join(dict.fromkeys(errors)) + tries


def _end(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout
