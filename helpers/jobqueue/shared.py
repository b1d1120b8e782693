"""The board as masters share it: one call at a time, with the master's clock, and with waiting for news."""

import os
import threading
import time
from collections import Counter
from typing import Any

from helpers.jobqueue.board import Board, Shelved, Stats

_clock = time.perf_counter


class SharedBoard:
    """A board for many threads: each connection of a client or a worker is served by one."""

    def __init__(self, board: Board) -> None:
        """Share this board; nobody else may use it from now on."""
        self._board = board
        self._names: Counter[str] = Counter()
        lock = threading.Lock()
        self._work, self._news = threading.Condition(lock), threading.Condition(lock)

    def hello(self) -> int:
        """Return the master's process number."""
        return os.getpid()

    def join(self, worker: str) -> tuple[str, float]:
        """Return the name by which a worker is known here, its own if no other had it; and the lease in s.

        Computers may be of one name, and process numbers come again: of two workers with one name, one
        would keep the other's leases alive.
        """
        with self._work:
            self._names[worker] += 1
            bearers = self._names[worker]
        return (worker if bearers == 1 else f"{worker}#{bearers}"), self._board.lease

    def submit(self, batch: str, tasks: list[tuple[int, str, bytes]]) -> float:
        """Put up tasks; return the master's time."""
        with self._work:
            self._board.add(batch, tasks)
            self._work.notify(len(tasks))
        return _clock()

    def take(
        self, worker: str, outcomes: list[Any], count: int, wait: float, function: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Note what became of a worker's tasks and lend it the next, for which it waits so many seconds."""
        self.record(worker, outcomes)
        until = _clock() + wait
        with self._work:
            while not (loans := self._board.lend(worker, count, now := _clock(), function)) and now < until:
                self._work.wait(min(until, self._board.next_due() or until) - now)
        return [tuple(loan) for loan in loans]  # plain tuples are pickled three times as fast

    def record(self, worker: str, outcomes: list[Any]) -> None:
        """Note what became of a worker's tasks."""
        if outcomes:
            with self._news:
                self._board.record(worker, outcomes, _clock())
                self._news.notify_all()

    def heartbeat(self, worker: str) -> float:
        """Let a worker keep its tasks for another lease; return the master's time."""
        with self._work:
            self._board.heartbeat(worker, _clock())
        return _clock()

    def leave(self, worker: str, outcomes: list[Any]) -> None:
        """Say goodbye to a worker: note what became of its tasks, and give the others to somebody else."""
        self.record(worker, outcomes)
        with self._work:
            self._board.leave(worker, _clock())
            self._work.notify_all()

    def collect(self, batch: str, seen: int, most: int, wait: float) -> list[tuple[Any, ...]]:
        """Return results of a batch beyond those seen, for which to wait so many seconds."""
        until = _clock() + wait
        with self._news:
            while not (results := self._board.collect(batch, seen, most)) and (now := _clock()) < until:
                self._news.wait(min(until, self._board.next_due() or until) - now)
                self._board.tidy(_clock())
        return [tuple(result) for result in results]

    def cancel(self, batch: str) -> None:
        """Forget a batch."""
        with self._work:
            self._board.cancel(batch)

    def stats(self) -> Stats:
        """Return the board's figures."""
        with self._work:
            return self._board.stats(_clock())

    def shelf(self) -> list[Shelved]:
        """Return the tasks that were given up, the latest of them."""
        with self._work:
            return list(self._board.shelf)
