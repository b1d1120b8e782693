"""A worker's session with a board: it takes tasks, runs them, reports, and sends heartbeats all the time."""

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from textwrap import shorten
from typing import Any, TextIO

from helpers import clocked
from helpers.jobqueue import functions, reports
from helpers.jobqueue.board import Loan, Outcome
from helpers.jobqueue.channel import Channel
from helpers.jobqueue.clocks import Offset
from helpers.jobqueue.errors import QueueError
from helpers.show import short

GIVE_BACK_TIMEOUT = 0.5  # seconds that a master has to take tasks back from a worker that must leave
_TAKE_TIMEOUT = 0.2  # seconds to wait for a task in one call
_PRINT_INTERVAL = 0.05  # seconds between two printed lines: to print one takes longer than a small task


class Leave(BaseException):
    """This worker is to leave at once; no task's own exception, so that no task is blamed for it."""


class Session:
    """One worker on a board: it takes tasks, and sends four heartbeats in each lease, or more."""

    def __init__(
        self,
        connect: Callable[[str], Channel],
        prefetch: int = 1,
        function: str | None = None,
        failed: Callable[[Exception], object] = print,
    ) -> None:
        """Greet the master; tasks come ``prefetch`` at a time, of one function if it is given.

        ``connect`` opens a channel for a visitor of some name. When no heartbeat can be sent, ``failed`` is
        called with the reason, in another thread.
        """
        self._channel, self._prefetch, self._function = connect(""), prefetch, function
        self._me, lease = self._channel.ask("join", reports.my_name())
        self._offset, self._left, self._failed = Offset(), threading.Event(), failed
        self._interval, self._thread = min(lease / 4, 0.5), threading.get_native_id()
        self._heart = connect("")  # a channel of its own, opened now that the master is there for certain
        self._lock = threading.Lock()
        self._beat()
        threading.Thread(target=self._beat_on, daemon=True).start()

    def take(self, done: list[Outcome]) -> list[Loan]:
        """Report what is done and return the next tasks; none after a short wait."""
        loans: list[Loan] = self._channel.ask(
            "take", self._me, done, self._prefetch, _TAKE_TIMEOUT, self._function
        )
        return loans

    def leave(self, done: list[Outcome]) -> None:
        """Report what is done, and give back the rest."""
        self._left.set()
        self._channel.ask("leave", self._me, done)
        self.close()

    def give_back(self, done: Sequence[Outcome] = ()) -> None:
        """Do the same on the other channel: from another thread, or when the first is lost."""
        self._left.set()
        with self._lock:
            self._heart.ask("leave", self._me, list(done), timeout=GIVE_BACK_TIMEOUT)

    def close(self) -> None:
        """Close the connections."""
        self._left.set()
        self._channel.close()
        self._heart.close()

    def run(self, loans: Sequence[Loan], stopping: threading.Event, told: "Told") -> Iterator[Outcome]:
        """Run tasks of one function until ``stopping`` is set, and yield what to report of each."""
        thread, ahead = self._thread, self._offset.seconds
        if loans:
            call, is_stale = _function(loans[0][2]), functions.is_stale(loans[0][2])
        for batch, number, function, argument in loans:
            if stopping.is_set():
                return
            job = _job(call, argument)
            times = clocked.clocked(job, Leave)
            yield batch, number, *reports.pack(times, thread, ahead, is_stale)
            told.note(function, job, times)

    def _beat(self) -> None:
        with self._lock:
            asked = time.perf_counter()
            theirs = self._heart.ask("heartbeat", self._me)
            self._offset.add(asked, theirs, time.perf_counter())

    def _beat_on(self) -> None:
        """Send heartbeats, over a connection of this thread's own, until we leave or the master does."""
        try:
            while not self._left.wait(self._interval):
                self._beat()
        except Exception as error:
            if not self._left.is_set():
                self._failed(error)


def work(session: Session, stopping: threading.Event, unreported: list[Outcome]) -> None:
    """Run tasks until ``stopping`` is set; the task in hand is finished first, others are given back.

    Tells of the last task every ``_PRINT_INTERVAL`` seconds, and before it waits for more. What is done and
    not reported is kept in ``unreported``, for another session should this one lose its master.
    """
    told = Told()
    while not stopping.is_set():
        loans = session.take(unreported)
        unreported.clear()
        for outcome in session.run(loans, stopping, told):
            unreported.append(outcome)  # one by one: an interrupt loses none
        told.tell(not loans)
    session.leave(unreported)
    unreported.clear()
    told.tell(True)


class Told:
    """What is printed of tasks: the last one, from time to time."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self._untold, self._at = 0, 0.0
        self._last: tuple[str, partial[Any], clocked.Clocked]

    def note(self, name: str, job: "partial[Any]", times: clocked.Clocked) -> None:
        """Note what came of a task."""
        self._untold += 1
        self._last = name, job, times

    def tell(self, now: bool) -> None:
        """Print it if it is time to, or must be done now."""
        if self._untold and (now or time.monotonic() - self._at > _PRINT_INTERVAL):
            try:
                _say(_in_words(*self._last, self._untold), sys.stdout)
            except Leave:
                raise
            except BaseException:
                pass  # a value does as it likes when it is shown, and nobody may be there to read
            self._untold, self._at = 0, time.monotonic()


def _in_words(name: str, job: "partial[Any]", times: clocked.Clocked, tasks: int) -> str:
    """Say what came of a task, the last of so many."""
    value, error = times[4:6]
    came = short(value) if error is None else shorten(error, 100, placeholder=" ...")
    argument = "..." if job.func is _refuse else short(*job.args)
    return f"{name}({argument}) = {came}{f', the last of {tasks} tasks' * (tasks > 1)}"


def _function(name: str) -> Callable[..., Any]:
    """Return the function of tasks; one that is not known or not allowed raises why, whatever it is given."""
    try:
        return functions.load(name)
    except (ValueError, PermissionError) as error:
        return partial(_refuse, error)


def _job(function: Callable[..., Any], argument: bytes) -> "partial[Any]":
    """Return a task as a job. One whose argument cannot be read raises why."""
    try:
        return partial(function, pickle.loads(argument))
    except Leave:
        raise
    except BaseException as error:  # what reading it does is this task's error, and nobody else's
        return partial(_refuse, error)


def _refuse(error: BaseException, *_: object) -> None:
    raise error


_leaving = threading.Lock()


def leave_at_once(error: Exception) -> None:
    """End this program with one line, also when two threads find at once that something is wrong."""
    with _leaving:
        say_error(error)
        os._exit(error.exit_code if isinstance(error, QueueError) else 1)


def say_error(error: Exception) -> None:
    """Say in one line what is wrong."""
    with contextlib.suppress(OSError, ValueError):
        _say(
            f"worker: {error}" if isinstance(error, QueueError) else f"worker: {clocked.text_of(error)}",
            sys.stderr,
        )


def _say(line: str, stream: TextIO) -> None:
    """Print a line in one piece: another thread may print one, and both streams may be one pipe."""
    print(f"{line}\n", end="", file=stream, flush=True)
