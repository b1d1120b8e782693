"""The board as a master shares it: one call at a time, with a clock, waiting for news, and a journal."""

import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from helpers.jobqueue.board import Board, Loan, Outcome, Result, Shelved, Stats, View
from helpers.jobqueue.errors import QueueError
from helpers.jobqueue.journal import Journal

METHODS = ("hello", "join", "submit", "take", "record", "heartbeat", "leave", "collect",
           "contents", "cancel", "stats", "view", "shelf")  # fmt: skip
"""What clients and workers may call."""

_clock = time.perf_counter


class SharedBoard:
    """A board for many threads: each connection of a client or a worker is served by one."""

    def __init__(
        self, board: Board, journal: Journal | None = None, fail: Callable[[str], object] = sys.exit
    ) -> None:
        """Share this board; nobody else may use it from now on.

        With a ``journal``, each change is in it before its call is answered. When it cannot be written,
        ``fail`` is called with what is wrong: what its journal does not know must not get about.
        """
        self._board, self._journal, self._fail = board, journal, fail
        self._broken = ""  # what is wrong with the journal, once it cannot be written
        self._name = journal.name if journal else secrets.token_hex(8)
        self._names: Counter[str] = Counter()
        lock = threading.Lock()
        self._work, self._news = threading.Condition(lock), threading.Condition(lock)
        self._looked: float | None = None  # when somebody looked at the clock for the last time
        self._look_interval = min(board.lease / 4, 0.5)

    def keep_time(self) -> None:
        """Look at the clock for ever, in a thread, so that it is noticed when this process stood still.

        Stopped, or without a turn on its computer, a master has heard no heartbeats; so its leases last
        longer by that.
        """
        self._looked = _clock()
        while True:
            time.sleep(self._look_interval)
            with self._work:
                self._now()

    def _now(self) -> float:
        """Return the time, for whoever has the lock; the first who comes after a standstill sees to it."""
        now = _clock()
        if self._looked is not None:
            stood = now - self._looked - self._look_interval
            if stood > self._look_interval:
                self._board.postpone(stood)
            self._looked = now
        return now

    def hello(self) -> tuple[int, str]:
        """Return the master's process number and the board's name, which a journal gives it again."""
        return os.getpid(), self._name

    def come(self, client: str) -> None:
        """Note that a client has one more connection."""
        with self._work:
            self._board.come(client)

    def go(self, client: str) -> None:
        """Note that a client has one connection less."""
        with self._work:
            self._board.go(client, self._now())

    def join(self, worker: str) -> tuple[str, float]:
        """Return the name by which a worker is known here, its own if no other had it; and the lease in s.

        Computers may be of one name, and process numbers come again: of two workers with one name, one
        would keep the other's leases alive.
        """
        with self._work:
            self._names[worker] += 1
            bearers = self._names[worker]
        return (worker if bearers == 1 else f"{worker}#{bearers}"), self._board.lease

    def submit(self, client: str, batch: str, tasks: list[tuple[int, str, bytes]]) -> float:
        """Put up tasks; return the master's time. Raises QueueError when the journal cannot take them."""
        with self._work:
            self._check()
            added = self._board.add(batch, tasks, client)
            if self._journal:
                try:
                    self._journal.commit()
                except BaseException:
                    self._board.take_down(added)
                    raise
            self._work.notify_all()  # those that wait for one function alone may not be able to take these
        return _clock()

    def take(
        self, worker: str, outcomes: list[Outcome], count: int, wait: float, function: str | None = None
    ) -> list[Loan]:
        """Note what became of a worker's tasks and lend it the next, for which it waits so many seconds."""
        with self._work:
            self._check()
            until = (now := self._now()) + wait
            if outcomes:
                self._board.record(worker, outcomes, now)
                self._news.notify_all()
            while not (loans := self._board.lend(worker, count, now, function)) and now < until:
                self._commit()
                self._work.wait(min(until, self._board.next_due() or until) - now)
                now = self._now()
            self._commit()
        return loans

    def record(self, worker: str, outcomes: list[Outcome]) -> None:
        """Note what became of a worker's tasks."""
        if outcomes:
            with self._changing(self._news):
                self._board.record(worker, outcomes, self._now())
                self._commit()
                self._news.notify_all()

    def heartbeat(self, worker: str) -> float:
        """Let a worker keep its tasks for another lease; return the master's time."""
        with self._changing(self._work):
            self._board.heartbeat(worker, self._now())
        return _clock()

    def leave(self, worker: str, outcomes: list[Outcome]) -> None:
        """Say goodbye to a worker: note what became of its tasks, and give the others to somebody else."""
        self.record(worker, outcomes)
        with self._changing(self._work):
            self._board.leave(worker, self._now())
            self._work.notify_all()

    def collect(self, batch: str, seen: int, most: int, wait: float) -> list[Result] | None:
        """Return results of a batch beyond those seen, for which to wait so many seconds; None if unknown."""
        until = _clock() + wait
        with self._changing(self._news):
            while self._board.knows(batch):
                if (results := self._board.collect(batch, seen, most)) or (now := self._now()) >= until:
                    return results
                self._commit()
                self._news.wait(min(until, self._board.next_due() or until) - now)
                self._board.tidy(self._now())
        return None

    def contents(self, batch: str) -> tuple[int, list[tuple[int, str, bytes]], list[int]] | None:
        """Return what ``Board.contents`` does; None for an unknown batch."""
        with self._work:
            return self._board.contents(batch) if self._board.knows(batch) else None

    def cancel(self, batch: str) -> None:
        """Forget a batch."""
        with self._changing(self._news):
            self._board.cancel(batch)
            self._news.notify_all()

    def stats(self) -> Stats:
        """Return the board's figures."""
        with self._changing(self._work):
            return self._board.stats(self._now())

    def view(self, batches: list[str]) -> View:
        """Return where the tasks of these batches are, and what workers hold."""
        with self._changing(self._work):
            return self._board.view(batches, self._now())

    def shelf(self) -> list[Shelved]:
        """Return the tasks that were given up, the latest of them."""
        with self._work:
            return list(self._board.shelf)

    @contextmanager
    def _changing(self, condition: threading.Condition) -> Iterator[None]:
        """Have the board to oneself, and write to the journal what has changed."""
        with condition:
            self._check()
            yield
            self._commit()

    def _check(self) -> None:
        if self._broken:
            raise QueueError(self._broken)

    def _commit(self) -> None:
        if self._journal:
            try:
                self._journal.commit()
            except (QueueError, MemoryError) as error:
                self._broken = str(error) or "there is no memory for the journal"
                self._fail(self._broken)
                raise
