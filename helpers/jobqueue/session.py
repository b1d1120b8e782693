"""A worker's session with a board: it takes tasks, runs them, reports, and sends heartbeats all the time."""

import os
import pickle
import sys
import threading
import time
from functools import partial
from multiprocessing.managers import RemoteError
from textwrap import shorten
from typing import Any, NoReturn, TextIO

from helpers import clocked
from helpers.jobqueue import functions, reports
from helpers.jobqueue.board import Loan
from helpers.jobqueue.clocks import Offset
from helpers.jobqueue.errors import MasterGone
from helpers.jobqueue.protocol import QueueManager
from helpers.show import short

GONE = (EOFError, OSError, RemoteError)  # what a call says when the master has left
_TAKE_TIMEOUT = 0.2  # seconds to wait for a task in one call
_PRINT_INTERVAL = 0.05  # seconds between two printed lines: to print one takes longer than a small task
_leaving = threading.Lock()


class Session:
    """One worker on a board: it takes tasks, and sends four heartbeats in each lease, or more."""

    def __init__(self, manager: QueueManager, prefetch: int = 1, function: str | None = None) -> None:
        """Greet the master; tasks come ``prefetch`` at a time, of one function if it is given."""
        self._board, self._prefetch, self._function = manager.get_board(), prefetch, function
        self._me, lease = self._board.join(reports.my_name())
        self._offset, self._beating, self._left = Offset(), threading.Event(), threading.Event()
        self._interval, self._thread = min(lease / 4, 0.5), threading.get_native_id()
        threading.Thread(target=self._beat_on, daemon=True).start()
        self._beating.wait()  # that thread connects now, while the master is there for certain

    def take(self, done: list[Any]) -> list[Loan]:
        """Report what is done and return the next tasks; none after a short wait."""
        loans = self._board.take(self._me, done, self._prefetch, _TAKE_TIMEOUT, self._function)
        return [Loan(*loan) for loan in loans]

    def leave(self, done: list[Any]) -> None:
        """Report what is done, and give back the rest."""
        self._left.set()
        self._board.leave(self._me, done)

    def outcome(self, loan: Loan, times: clocked.Clocked) -> tuple[Any, ...]:
        """Return what to report of a task, an ``Outcome`` as a plain tuple: it is pickled faster."""
        return (loan.batch, loan.number, *reports.pack(times, self._thread, self._offset.seconds))

    def _beat(self) -> None:
        asked = time.perf_counter()
        theirs = self._board.heartbeat(self._me)
        self._offset.add(asked, theirs, time.perf_counter())

    def _beat_on(self) -> None:
        """Send heartbeats, over a connection of this thread's own, until we leave or the master does."""
        try:
            self._beat()
            self._beating.set()
            while not self._left.wait(self._interval):
                self._beat()
        except GONE:
            leave_without_master()


def work(session: Session, stopping: threading.Event) -> None:
    """Run tasks until ``stopping`` is set; the task in hand is finished first, others are given back.

    Tells of the last task every ``_PRINT_INTERVAL`` seconds, and before it waits for more.
    """
    done: list[Any] = []
    untold, told = 0, 0.0
    while not stopping.is_set():
        loans, done = session.take(done), []
        for loan in loans:
            if not stopping.is_set():
                name, job = loan.function, _job(loan)
                times = clocked.clocked(job)
                done.append(session.outcome(loan, times))
        untold += len(done)
        if untold and (not loans or time.monotonic() - told > _PRINT_INTERVAL):
            _tell(name, job, times, untold)
            untold, told = 0, time.monotonic()
    session.leave(done)
    if untold:
        _tell(name, job, times, untold)


def _tell(name: str, job: "partial[Any]", times: clocked.Clocked, tasks: int) -> None:
    """Print what came of a task, the last of so many."""
    value, error = times[4:6]
    came = short(value) if error is None else shorten(error, 100, placeholder=" ...")
    argument = "..." if job.func is _refuse else short(*job.args)
    _say(f"{name}({argument}) = {came}{f', the last of {tasks} tasks' * (tasks > 1)}", sys.stdout)


def _job(loan: Loan) -> "partial[Any]":
    """Return a task as a job. One that cannot be read, or whose function is not known, raises why."""
    try:
        return partial(functions.find(loan.function), pickle.loads(loan.argument))
    except Exception as error:
        return partial(_refuse, error)


def _refuse(error: Exception) -> None:
    raise error


def leave_without_master() -> NoReturn:
    """End this program with one line, also when two threads find at once that the master has left."""
    with _leaving:
        _say("worker: the master went away: start it again, then this worker", sys.stderr)
        os._exit(MasterGone.exit_code)


def _say(line: str, stream: TextIO) -> None:
    """Print a line in one piece: another thread may print one, and both streams may be one pipe."""
    print(f"{line}\n", end="", file=stream, flush=True)
