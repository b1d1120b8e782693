"""How a worker lives on the board: it borrows tasks, runs them, and gives signs of life all the time."""

import os
import pickle
import sys
import threading
import time
from functools import partial
from multiprocessing.managers import RemoteError
from textwrap import shorten
from typing import Any, NoReturn

from helpers import ways
from helpers.jobqueue import functions, reports
from helpers.jobqueue.board import Loan
from helpers.jobqueue.clocks import Offset
from helpers.jobqueue.protocol import MasterGone, QueueManager, show
from helpers.traces import Span

GONE = (EOFError, OSError, RemoteError)  # what a call says when the master has left
_WAIT = 0.2  # seconds to wait for a task in one call
_leaving = threading.Lock()


class Lender:
    """The board, as one worker sees it: it takes tasks, and gives a sign of life all the time."""

    def __init__(self, manager: QueueManager, batch: int = 1, function: str | None = None) -> None:
        """Greet the master; tasks come ``batch`` at a time, of one function if it is given."""
        self._board, self._batch, self._function = manager.get_board(), batch, function
        self._me, lease = self._board.join(reports.my_name())
        self._offset, self._beating, self._left = Offset(), threading.Event(), threading.Event()
        self._pause = min(lease / 4, 0.5)
        threading.Thread(target=self._beat_on, daemon=True).start()
        self._beating.wait()  # that thread connects now, while the master is there for certain

    def take(self, done: list[Any]) -> list[Loan]:
        """Report what is done and return the next tasks; none after a short wait."""
        loans = self._board.take(self._me, done, self._batch, _WAIT, self._function)
        return [Loan(*loan) for loan in loans]

    def leave(self, done: list[Any]) -> None:
        """Report what is done, and give back the rest."""
        self._left.set()
        self._board.leave(self._me, done)

    def outcome(self, loan: Loan, span: Span) -> tuple[Any, ...]:
        """Return what to report of a task, an ``Outcome`` as a plain tuple: it is pickled faster."""
        return (loan.batch, loan.number, *reports.pack(span, self._offset.seconds))

    def _beat(self) -> None:
        asked = time.perf_counter()
        theirs = self._board.heartbeat(self._me)
        self._offset.add(asked, theirs, time.perf_counter())

    def _beat_on(self) -> None:
        """Give signs of life, over a connection of this thread's own, until we leave or the master does."""
        try:
            self._beat()
            self._beating.set()
            while not self._left.wait(self._pause):
                self._beat()
        except GONE:
            leave_without_master()


def work(lender: Lender, stopping: threading.Event) -> None:
    """Run tasks until ``stopping`` is set; the task in hand is finished first, others are given back."""
    done: list[Any] = []
    while not stopping.is_set():
        loans, done = lender.take(done), []
        for loan in loans:
            if not stopping.is_set():
                task, span = run(loan)
                done.append(lender.outcome(loan, span))
        if done:
            more = f", the last of {len(done)} tasks" * (len(done) > 1)
            print(f"{task} = {_came_of(span)}{more}", flush=True)
    lender.leave(done)


def run(loan: Loan) -> tuple[str, Span]:
    """Run a task; return it as one would type it, and its span. Whatever goes wrong is the span's error."""
    task = f"{loan.function}(...)"
    try:
        argument = pickle.loads(loan.argument)
        task = f"{loan.function}({show(argument)})"
        job: ways.Job = partial(functions.find(loan.function), argument)
    except Exception as error:
        job = partial(_refuse, error)
    return task, ways.timed(loan.number, job, given=time.perf_counter())


def _refuse(error: Exception) -> None:
    raise error


def _came_of(span: Span) -> str:
    return show(span.value) if span.error is None else shorten(span.error, 100, placeholder=" ...")


def leave_without_master() -> NoReturn:
    """End this program with one line, also when two threads find at once that the master has left."""
    with _leaving:
        print("worker: the master went away: start it again, then this worker", file=sys.stderr, flush=True)
        os._exit(MasterGone.exit_code)
