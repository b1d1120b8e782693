"""The board: tasks that are lent to workers, and what became of them.

             lend                     record
    waiting ------> in a worker's ------------> results, until their client has collected them
       ^                hands
       |                  |  an error, or the lease ran out
       +------------------+--- after so many tries ---> the shelf, a dead-letter queue: the errors

This is logic alone: it knows no network and has no clock. Each call is handed the time, in seconds on one
clock. A client's tasks form a batch and are numbered in it; arguments and reports are passed on unread.
"""

import heapq
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

_RECENT = 3  # seconds over which the throughput is taken
_SHELF = 1000  # tasks that the shelf shows, the latest


Loan = tuple[str, int, str, bytes]
"""A task in a worker's hands: its batch, its number there, its function, and its argument as the client
packed it."""


Outcome = tuple[str, int, str | None, Any]
"""What a worker says of a task: its batch, its number there, the text of its error or None, and a report."""

Result = tuple[int, str, tuple[str, ...], Any]
"""The end of a task: its number, by which worker, with which errors if it was given up, and the report."""


class Shelved(NamedTuple):
    """A task that was given up, and the error of each try."""

    batch: str
    number: int
    function: str
    errors: tuple[str, ...]


class Stats(NamedTuple):
    """What is on a board now, and what has been done since it was made.

    Tasks that are ``waiting`` and ``in_work``; results (``done``), tries that failed and were followed by
    another (``retried``), tasks given up (``shelved``), and results that came when the task had ended
    (``late``); results per second of the last three seconds, and results by worker; and how many workers
    have been heard of within a lease.
    """

    waiting: int
    in_work: int
    done: int
    retried: int
    shelved: int
    late: int
    per_second: float
    workers: dict[str, int]
    present: int


class Hand(NamedTuple):
    """What a worker holds, by the tasks' numbers on this board; and the seconds that its lease has left."""

    worker: str
    tasks: tuple[int, ...]
    left: float


class View(NamedTuple):
    """Where the tasks of some batches are: waiting, in work or ended, which adds up to ``put``.

    ``shelved`` of those that have ended are among the last thousand that were given up. ``hands`` are all
    workers, and what they hold.
    """

    put: int
    waiting: int
    in_work: int
    ended: int
    shelved: int
    hands: tuple[Hand, ...]


@dataclass(slots=True, eq=False)
class Task:
    """A task on the board."""

    batch: str
    number: int
    function: str
    argument: bytes
    order: int  # its number on this board, from 1: the lower, the earlier it is lent
    holder: str | None = None  # the worker that it is lent to
    alone: bool = False  # to be lent without others, as it may be what ended a worker
    ended: bool = False
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class _Batch:
    client: str = ""
    tasks: dict[int, Task] = field(default_factory=dict)
    next: int = 0  # the lowest number that a new task may have
    results: deque[Result] = field(default_factory=deque)
    collected: int = 0


class Recorder:
    """Is told what happens on a board, and keeps nothing; a journal keeps it, so that another can go on."""

    def batch(self, name: str, client: str, next_number: int, collected: int) -> None:
        """A client has a batch: the next number of a task in it, and how many results were collected."""

    def added(self, task: Task) -> None:
        """There is a new task."""

    def failed(self, task: Task) -> None:
        """A task has another error, or may only be lent alone from now on."""

    def ended(self, batch: str, result: Result) -> None:
        """A task has come to its end."""

    def shelved(self, task: Shelved) -> None:
        """A task was given up."""

    def collected(self, batch: str, count: int) -> None:
        """A client has the first so many results of a batch that were still there."""

    def cancelled(self, batch: str) -> None:
        """A batch is forgotten."""


class Board:
    """Tasks, leases and results. Every task ends once: with its value, or with the errors of all tries."""

    def __init__(
        self,
        lease: float = 5.0,
        attempts: int = 3,
        retry_delay: float = 0.1,
        client_timeout: float = math.inf,
        journal: Recorder | None = None,
    ) -> None:
        """Make an empty board.

        A worker's ``lease`` runs out so many seconds after its last heartbeat. A task is tried
        ``attempts`` times, the second time after ``retry_delay`` seconds, then after twice as many, and so
        on. The batches of a client that has left are forgotten ``client_timeout`` seconds later. ``journal``
        is told of all that should outlive this board. Raises ValueError for a lease or a client's time-out
        that is not over 0, attempts that are no whole number of at least 1, or a delay under 0.
        """
        numbers = (lease, attempts, retry_delay, client_timeout)
        if not all(isinstance(number, int | float) for number in numbers) or not (
            lease > 0 and attempts >= 1 and attempts == int(attempts) and retry_delay >= 0 < client_timeout
        ):
            raise ValueError(
                "expected a lease over 0 s, 1, 2, ... attempts, a retry delay of 0 s or more and a client's "
                f"time-out over 0 s, got {lease!r}, {attempts!r}, {retry_delay!r} and {client_timeout!r}"
            )
        self.lease, self.attempts, self.retry_delay = lease, attempts, retry_delay
        self.client_timeout, self.journal = client_timeout, journal or Recorder()
        self.shelf: deque[Shelved] = deque(maxlen=_SHELF)
        self._batches: dict[str, _Batch] = {}
        self._ready: dict[str, deque[Task]] = {}  # by function; some may have ended meanwhile
        self._later: list[tuple[float, int, Task]] = []  # a heap, by when
        self._hands: dict[str, dict[Task, None]] = {}  # by worker; the dict is an ordered set
        self._deadlines: dict[str, float] = {}  # by worker
        self._connections: Counter[str] = Counter()  # by client
        self._left: dict[str, float] = {}  # by client that has left: when it is forgotten
        self._added = self._done = self._retried = self._shelved = self._late = 0
        self._by_worker: Counter[str] = Counter()
        self._by_second: deque[tuple[int, int]] = deque(maxlen=_RECENT + 1)  # (second, results)

    def add(self, batch: str, tasks: Iterable[tuple[int, str, bytes]], client: str = "") -> list[Task]:
        """Put up tasks (number, function, argument), and return them.

        One whose number has been put up before is left out.
        """
        known = self._batches.get(batch)
        if known is None:
            known = self._batches[batch] = _Batch(client)
            self.journal.batch(batch, client, 0, 0)
        added = []
        for number, function, argument in tasks:
            if number >= known.next:
                self._added += 1
                task = Task(batch, number, function, argument, self._added)
                known.next = number + 1
                known.tasks[number] = task
                if function not in self._ready:
                    self._ready[function] = deque()
                self._ready[function].append(task)
                added.append(task)
                self.journal.added(task)
        return added

    def take_down(self, tasks: Iterable[Task]) -> None:
        """Take tasks down that have just been put up, as if that had never been."""
        for task in tasks:
            task.ended = True
            known = self._batches[task.batch]
            del known.tasks[task.number]
            known.next = min(known.next, task.number)
            if not (known.tasks or known.results or known.collected):
                del self._batches[task.batch]

    def come(self, client: str) -> None:
        """Note one more connection of a client."""
        self._connections[client] += 1
        self._left.pop(client, None)

    def go(self, client: str, now: float) -> None:
        """Note that a client has one connection less; with none left, it is given some time to come back."""
        self._connections[client] -= 1
        if self._connections[client] <= 0:
            del self._connections[client]
            self._left[client] = now + self.client_timeout

    def view(self, batches: Iterable[str], now: float) -> View:
        """Return where the tasks of these batches are, as far as they are known, and what workers hold."""
        self.tidy(now)
        names = set(batches) & self._batches.keys()
        put = sum(self._batches[name].next for name in names)
        tasks = [task for name in names for task in self._batches[name].tasks.values()]
        in_work = sum(task.holder is not None for task in tasks)
        shelved = sum(task.batch in names for task in self.shelf)
        hands = tuple(
            Hand(worker, tuple(task.order for task in self._hands.get(worker, ())), deadline - now)
            for worker, deadline in self._deadlines.items()
        )
        return View(put, len(tasks) - in_work, in_work, put - len(tasks), shelved, hands)

    def knows(self, batch: str) -> bool:
        """Tell whether a batch is here, and not forgotten."""
        return batch in self._batches

    def contents(self, batch: str) -> tuple[int, list[tuple[int, str, bytes]], list[int]]:
        """Return of a batch how many results were collected, the tasks that have not ended, and the numbers
        of those that have and were not collected.

        Raises KeyError for a batch that is not here.
        """
        known = self._batches[batch]
        tasks = [(task.number, task.function, task.argument) for task in known.tasks.values()]
        return known.collected, tasks, [number for number, *_ in known.results]

    def lend(self, worker: str, count: int, now: float, function: str | None = None) -> list[Loan]:
        """Lend up to ``count`` tasks of one function: this one, or that of the task that is next."""
        self.heartbeat(worker, now)
        loans: list[Loan] = []
        while not loans and count > 0:
            if function is None:
                chosen = min(self._ready, key=lambda name: self._ready[name][0].order, default=None)
            else:
                chosen = function if function in self._ready else None
            if chosen is None:
                break
            loans = self._lend(worker, count, chosen)
        return loans

    def heartbeat(self, worker: str, now: float) -> None:
        """Let a worker keep what it holds for another lease."""
        self.tidy(now)
        self._deadlines[worker] = now + self.lease

    def record(self, worker: str, outcomes: Iterable[Outcome], now: float) -> None:
        """Note what became of tasks. A value that comes after its lease counts, if it is the first."""
        self.tidy(now)
        before = self._done
        for name, number, error, report in outcomes:
            batch = self._batches.get(name)
            task = batch.tasks.get(number) if batch else None
            if task is None:
                self._late += 1
            elif error is None:
                self._end(task, (number, worker, (), report))
                self._done += 1
            elif task.holder == worker:  # else this try was counted when its lease ran out
                self._fail(task, worker, error, report, now)
        if done := self._done - before:
            self._by_worker[worker] += done
            self._count(done, int(now))

    def leave(self, worker: str, now: float) -> None:
        """Put what a worker holds up again, as it goes and has begun none of it."""
        self.tidy(now)
        self._deadlines.pop(worker, None)
        for task in reversed(self._hands.pop(worker, {})):
            self._put_back(task)

    def collect(self, batch: str, seen: int, most: int) -> list[Result]:
        """Return up to ``most`` results of a batch, in the order in which they came.

        ``seen`` says how many of them its client has; those are forgotten.
        """
        known = self._batches.get(batch, _Batch())
        had = min(seen - known.collected, len(known.results))
        for _ in range(had):
            known.results.popleft()
        if had > 0:
            known.collected += had
            self.journal.collected(batch, had)
        return list(islice(known.results, most))

    def cancel(self, batch: str) -> None:
        """Forget a batch. What still comes of its tasks is late."""
        known = self._batches.pop(batch, None)
        if known is None:
            return
        for task in known.tasks.values():
            self._take_back(task)
            task.ended = True
        self.journal.cancelled(batch)

    def tidy(self, now: float) -> None:
        """Take back what is held under a lease that has run out, and put up what may be tried again."""
        for worker in [worker for worker, deadline in self._deadlines.items() if deadline < now]:
            del self._deadlines[worker]
            self._lose(worker, now)
        while self._later and self._later[0][0] <= now:
            self._put_back(heapq.heappop(self._later)[2])
        for client in [client for client, end in self._left.items() if end < now]:
            del self._left[client]
            for batch in [name for name, known in self._batches.items() if known.client == client]:
                self.cancel(batch)

    def postpone(self, seconds: float) -> None:
        """Let all leases last so much longer, and clients have so much more time to come back."""
        for ends in (self._deadlines, self._left):
            for name in ends:
                ends[name] += seconds

    def restore(
        self,
        batches: Mapping[str, tuple[str, int, int]],
        tasks: Iterable[Task],
        results: Iterable[tuple[str, Result]],
    ) -> None:
        """Go on where another board was: batches (client, next number, results collected), tasks, results.

        Whatever was in a worker's hands waits. Clients have left, and may come back.
        """
        self._batches = {
            name: _Batch(client, {}, next, deque(), had) for name, (client, next, had) in batches.items()
        }
        for task in tasks:
            self._added = max(self._added, task.order)
            self._batches[task.batch].tasks[task.number] = task
            self._ready.setdefault(task.function, deque()).append(task)
        for batch, result in results:
            self._batches[batch].results.append(result)

    def tell(self, journal: Recorder) -> None:
        """Tell a journal all that another board needs to go on from here."""
        for name, batch in self._batches.items():
            journal.batch(name, batch.client, batch.next, batch.collected)
            for task in batch.tasks.values():
                journal.added(task)
                if task.errors or task.alone:
                    journal.failed(task)
            for result in batch.results:
                journal.ended(name, result)
        for shelved in self.shelf:
            journal.shelved(shelved)

    def next_due(self) -> float | None:
        """Return when ``tidy`` has something to do at the soonest; None for never, as things stand."""
        leases = (self._deadlines[worker] for worker, hands in self._hands.items() if hands)
        return min([*leases, *(when for when, _, _ in self._later[:1])], default=None)

    def stats(self, now: float) -> Stats:
        """Return what is on the board, and what has been done."""
        self.tidy(now)
        in_work = sum(map(len, self._hands.values()))
        waiting = sum(len(batch.tasks) for batch in self._batches.values()) - in_work
        lately = sum(count for second, count in self._by_second if int(now) - _RECENT <= second < int(now))
        counts = (self._done, self._retried, self._shelved, self._late)
        return Stats(waiting, in_work, *counts, lately / _RECENT, dict(self._by_worker), len(self._deadlines))

    def _lend(self, worker: str, count: int, function: str) -> list[Loan]:
        """Move tasks of one function into a worker's hands, past those that have ended while waiting."""
        ready, hands = self._ready[function], self._hands.setdefault(worker, {})
        loans: list[Loan] = []
        while ready and len(loans) < count and not (loans and ready[0].alone):
            task = ready.popleft()
            if not task.ended:
                task.holder = worker
                hands[task] = None
                loans.append((task.batch, task.number, function, task.argument))
                count = 1 if task.alone else count
        if not ready:
            del self._ready[function]
        return loans

    def _put_back(self, task: Task) -> None:
        """Put a task up again, before the others of its function."""
        task.holder = None
        self._ready.setdefault(task.function, deque()).appendleft(task)

    def _take_back(self, task: Task) -> None:
        """Take a task out of the hands that it is in, if any."""
        if task.holder is not None:
            del self._hands[task.holder][task]
            task.holder = None

    def _end(self, task: Task, result: Result) -> None:
        self._take_back(task)
        task.ended = True
        batch = self._batches[task.batch]
        del batch.tasks[task.number]
        batch.results.append(result)
        self.journal.ended(task.batch, result)

    def _fail(self, task: Task, worker: str, error: str, report: Any, now: float) -> None:
        """Count a try that failed: try again later, or shelve the task."""
        self._take_back(task)
        task.errors += (error,)
        tries = len(task.errors)
        if tries < self.attempts:
            self._retried += 1
            self.journal.failed(task)
            due = now + self.retry_delay * 2 ** (tries - 1)
            heapq.heappush(self._later, (due, task.order, task))  # two may be due at one time
        else:
            self._shelved += 1
            self.shelf.append(Shelved(task.batch, task.number, task.function, task.errors))
            self.journal.shelved(self.shelf[-1])
            self._end(task, (task.number, worker, task.errors, report))

    def _lose(self, worker: str, now: float) -> None:
        """Take all from a worker whose heartbeats have ended. Only a task that it held alone is to blame."""
        lost = self._hands.pop(worker, {})
        for task in reversed(lost):
            task.holder = None
            if len(lost) == 1:
                error = (
                    f"worker {worker} sent no heartbeat for {self.lease:g} s: it has died, was stopped or "
                    "cut off, or its task kept the GIL"
                )
                self._fail(task, worker, error, None, now)
            else:
                task.alone = True
                self._retried += 1
                self.journal.failed(task)
                self._put_back(task)

    def _count(self, results: int, second: int) -> None:
        """Add to the number of results in this second."""
        if self._by_second and self._by_second[-1][0] == second:
            results += self._by_second.pop()[1]
        self._by_second.append((second, results))
