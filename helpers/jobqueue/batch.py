"""A client's batch: tasks on their way, results as they come, and what to do when the master is lost."""

import os
import pickle
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any

from helpers.jobqueue import functions, reports
from helpers.jobqueue.channel import RemoteBoard
from helpers.jobqueue.clocks import Offset
from helpers.jobqueue.errors import MasterGone
from helpers.show import short
from helpers.traces import Span, Trace

WINDOW, WINDOW_BYTES = 10_000, 64_000_000
"""Tasks that a batch has given out and whose results nobody has taken yet, and bytes of their arguments, at
most: so any number of tasks needs bounded memory, here and at the master."""

_MESSAGE = 1000  # tasks or results in one message, at most
_COLLECT_INTERVAL = 0.0005  # seconds between two calls for results, so that the second brings more than one
_COLLECT_TIMEOUT = 0.2  # seconds to wait for results in one call; an interrupt leaves one such call behind
_ANSWER_TIMEOUT = 1  # seconds more that a master may need to answer, before it counts as silent


class Batch:
    """Tasks that were given to a master. ``finished`` holds the span of each that has ended, by number."""

    def __init__(
        self, master: RemoteBoard, function: str, arguments: Iterable[Any], keep: bool = True
    ) -> None:
        """Give the first tasks to a master, by its client; the others follow as results are taken.

        ``keep`` is False for a batch of which only the values are wanted: it makes a ``reports.Value`` for
        each task, no span, and forgets it when it has handed it out. Raises TypeError for an argument that
        cannot be sent, here or as results are taken; those after it are left out.
        """
        functions.check_name(function)
        self.function, self._keep = function, keep
        self.finished: dict[int, Any] = {}
        self._fresh: OrderedDict[int, None] = OrderedDict()  # finished, and not handed out
        self._rest = enumerate(arguments)
        self._out: dict[int, tuple[float, bytes]] = {}  # by number: when it was given, its packed argument
        self._given = self._bytes = 0
        self._collected = 0.0  # when results came for the last time
        self._join(master)
        try:
            self._feed()
        except BaseException:
            self.cancel()
            raise

    def __repr__(self) -> str:
        """Return how far it is."""
        return (
            f"<Batch of {self.function}: {self._given - len(self._out)} tasks finished, {len(self._out)} out>"
        )

    def as_completed(self, timeout: float = 60) -> Iterator[Span]:
        """Yield the span of each task as it ends, those that were not yet handed out.

        Raises TimeoutError when none has ended for ``timeout`` seconds, and MasterGone.
        """
        while self._fresh or self._busy():
            if self._fresh:
                yield self._take(next(iter(self._fresh)))
            else:
                self._collect(timeout)

    def in_order(self, timeout: float = 60) -> Iterator[Any]:
        """Do the same in the order of the arguments, from the first."""
        for number in count():
            while number not in self.finished:
                if not self._busy():
                    return
                self._collect(timeout)
            yield self._take(number)

    def wait(self, timeout: float = 60) -> Trace:
        """Wait until all tasks have ended, and return their trace: times, workers, values and errors.

        Raises ValueError when there are no tasks, TimeoutError and MasterGone as ``as_completed`` does.
        """
        for _ in self.as_completed(timeout):
            pass
        spans = tuple(self.finished[number] for number in sorted(self.finished))
        workers = sorted({span.worker for span in spans}, key=lambda worker: (worker.host, worker.pid))
        return Trace("processes", spans, tuple(workers), self._master.pid)

    def resume(self, master: RemoteBoard) -> None:
        """Give all that is not finished to another master; then go on as before."""
        self._join(master)
        tasks = [(number, self.function, packed) for number, (_, packed) in sorted(self._out.items())]
        for first in range(0, len(tasks), _MESSAGE):
            self._submit(tasks[first : first + _MESSAGE])

    def cancel(self) -> None:
        """Forget what is not finished."""
        self._out.clear()
        self._rest = enumerate(())
        self._leave()

    def _join(self, master: RemoteBoard) -> None:
        self._master, self._channel = master, master.channel()
        self._name, self._seen, self._offset = os.urandom(8).hex(), 0, Offset()

    def _leave(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Have the master forget us, if it knows us; not while Python shuts down: half of it is gone."""
        if self._name and not is_finalizing():
            name, self._name = self._name, ""
            try:
                self._channel.ask("cancel", name, timeout=_ANSWER_TIMEOUT)
            except (MasterGone, TimeoutError):
                self._channel.close()
            else:
                self._master.give_back(self._channel)

    def _busy(self) -> bool:
        """Give out what may be given out, and tell whether anything is out."""
        self._feed()
        if not self._out:
            self._leave()
        return bool(self._out)

    def _feed(self) -> None:
        while len(self._out) + len(self._fresh) < WINDOW and self._bytes < WINDOW_BYTES:
            tasks: list[tuple[int, str, bytes]] = []
            try:
                for task in self._next_tasks():
                    tasks.append(task)  # those before an error are given out, too
            except Exception:
                self._rest = enumerate(())
                raise
            finally:
                if tasks:
                    self._submit(tasks)
            if not tasks:
                return

    def _next_tasks(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield the next tasks from the arguments, for one message."""
        for number, argument in islice(self._rest, _MESSAGE):
            try:
                packed = pickle.dumps(argument)
            except Exception as error:
                raise TypeError(f"arguments: number {number} cannot be sent: {error}") from None
            self._out[number] = (time.perf_counter(), packed)
            self._given += 1
            self._bytes += len(packed)
            yield number, self.function, packed
            if self._bytes >= WINDOW_BYTES:
                return

    def _submit(self, tasks: list[tuple[int, str, bytes]]) -> None:
        asked = time.perf_counter()
        theirs = self._channel.ask("submit", self._name, tasks)
        self._offset.add(asked, theirs, time.perf_counter())

    def _collect(self, timeout: float) -> None:
        """Wait for results, and note them."""
        until = time.perf_counter() + timeout
        time.sleep(max(0, self._collected + _COLLECT_INTERVAL - time.perf_counter()))
        while (left := until - time.perf_counter()) > 0:
            turn = min(_COLLECT_TIMEOUT, left)
            try:
                results = self._channel.ask(
                    "collect", self._name, self._seen, _MESSAGE, turn, timeout=turn + _ANSWER_TIMEOUT
                )
            except TimeoutError:
                continue  # the next collect asks for the same again, and comes after this one
            if results:
                self._collected = time.perf_counter()
                self._note(results, self._collected)
                return
        raise TimeoutError(
            f"no result for {timeout:g} s and {len(self._out)} tasks still out ({self._names_of_those_out()})"
            ": are workers running, and is a task longer than that?"
        )

    def _names_of_those_out(self) -> str:
        """Return the first few tasks that are out, as one would type them."""
        arguments = (pickle.loads(packed) for _, packed in islice(self._out.values(), 5))
        names = [f"{self.function}({short(argument)})" for argument in arguments]
        return ", ".join(names) + ", ..." * (len(self._out) > 5)

    def _note(self, results: list[tuple[Any, ...]], back: float) -> None:
        unpack = reports.unpack if self._keep else reports.unpack_value
        ahead = self._offset.seconds
        for result in results:
            number, worker, errors, report = result
            if number in self._out:  # else an interrupt kept us from counting it as seen
                given, packed = self._out[number]
                error = _in_words(errors) if errors else None
                self.finished[number] = unpack(number, worker, report, error, given, back, ahead)
                self._fresh[number] = None
                self._bytes -= len(packed)
                del self._out[number]
            self._seen += 1

    def _take(self, number: int) -> Any:
        self._fresh.pop(number, None)
        return self.finished[number] if self._keep else self.finished.pop(number)


def _in_words(errors: tuple[str, ...]) -> str:
    """Return the errors of all tries, each once."""
    tries = f" (tried {len(errors)} times)" * (len(errors) > 1)
    return "; ".join(dict.fromkeys(errors)) + tries
