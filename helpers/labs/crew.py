"""A real master, real workers and tasks to drive by hand, and a record of all that was seen: the queue lab's
model.

    put, add, kill, pause, wake, poison --> Crew --> the master, with a journal, on a port of its own
                                              |         ^
                                   look() <---+         +--- workers, each a program
"""

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from helpers import checks
from helpers.jobqueue import (
    Batch,
    Master,
    MasterGone,
    QueueError,
    View,
    Workers,
    launch_master,
    launch_workers,
)
from helpers.jobqueue.reports import computer
from helpers.show import short

TERMS = 1_500_000  # of a task's sum for pi: a tenth of a second, or a few
ATTEMPTS = 3
_COLLECT = 0.02  # seconds in which results are taken from a batch, before the next look
_RECONNECT = 600  # seconds that a worker waits for a master that was killed
_MOST = 3000  # moments that are kept


@dataclass
class Member:
    """One of the workers: a number that stays, its programs, and whether it is stopped."""

    number: int
    workers: Workers
    pid: int
    paused: bool = False
    told: bool = False  # that it is gone

    @property
    def alive(self) -> bool:
        """Whether its process runs, be it stopped."""
        return self.workers.exit_codes == [None]


@dataclass(frozen=True)
class Seen:
    """All that can be seen at a moment: counts of tasks that add up to ``put``, and each worker.

    ``time`` is in seconds since the lab began. ``workers`` holds for each its number, its state ("works",
    "idle", "paused", "gone"), the numbers of its tasks, and the seconds that its lease has left, None where
    there is none. While the master is down, tasks are where they were when it was last heard of.
    """

    time: float
    master_up: bool
    lease: float
    put: int
    waiting: int
    in_work: int
    done: int
    shelved: int
    workers: tuple[tuple[int, str, tuple[int, ...], float | None], ...]
    log: tuple[str, ...] = field(repr=False, default=())


class Crew:
    """A master, its workers, and its tasks. Calls come from one thread; none waits for a task."""

    def __init__(self, workers: int = 2, lease: float = 2.0) -> None:
        """Start a master whose leases last so many seconds, and workers; raises as ``launch_master`` does."""
        self._folder = tempfile.TemporaryDirectory()
        self._began = time.monotonic()
        self._lease = lease
        self._batches: list[Batch] = []  # that are not done
        self._put = self._done = self._shelved = 0  # of the tasks of batches that are
        self._members: list[Member] = []
        self._view = View(0, 0, 0, 0, 0, ())
        self._log: list[str] = []
        self.moments: list[Seen] = []
        self.results: list[object] = []
        self._master: Master | None = None
        self._where: dict[str, Any] = {}  # once there was a master: its port and key, which stay
        try:
            self._start_master()
            self.add_workers(workers)
        except BaseException:
            self.stop()
            raise

    # --- What can be done ----------------------------------------------------------------------------

    def put(self, count: int = 100) -> None:
        """Put tasks on the board, sums for pi. Raises QueueError when there is no master."""
        checks.whole(count=count)
        self._submit("pi_sum", [TERMS] * count)
        self._say(f"{count} tasks put")

    def poison(self) -> None:
        """Put a task that kills every worker that takes it."""
        self._submit("crash", [0])
        self._say("a task put that kills every worker that takes it")

    def add_workers(self, count: int = 1) -> None:
        """Start more workers."""
        checks.whole(count=count)
        for _ in range(count):
            workers = launch_workers(self._up(), 1, reconnect=_RECONNECT)
            self._members.append(Member(len(self._members) + 1, workers, workers.pids[0]))
            self._say(f"worker {len(self._members)} started")

    def kill(self, number: int) -> None:
        """Kill a worker as by ``kill -9``."""
        member = self._member(number)
        psutil.Process(member.pid).kill()
        member.workers.stop()
        member.told = True
        self._say(f"worker {number} killed")

    def pause(self, number: int) -> None:
        """Stop a worker as a closed lid does: it is alive, and does nothing."""
        member = self._member(number)
        psutil.Process(member.pid).suspend()
        member.paused = True
        self._say(f"worker {number} paused")

    def wake(self, number: int) -> None:
        """Let a paused worker go on."""
        member = self._member(number)
        psutil.Process(member.pid).resume()
        member.paused = False
        self._say(f"worker {number} goes on")

    def kill_master(self) -> None:
        """Kill the master as by ``kill -9``."""
        self._up().kill()
        self._drop_master()
        self._say("the master killed")

    def restart_master(self) -> None:
        """Start the master again, on its journal. Raises QueueError when it is up."""
        if self._master:
            raise QueueError("the master is up: kill it first")
        self._start_master()
        self._say("the master started again, on its journal")

    def set_lease(self, seconds: float) -> None:
        """Let leases last so many seconds. A master is told so as it starts, so it is started again."""
        self._lease = seconds
        if self._master:
            self._drop_master()
            self._start_master()
        self._say(f"leases last {seconds:g} s")

    def stop(self) -> None:
        """End all processes, and forget the journal."""
        for member in self._members:
            if member.paused and member.alive:
                with suppress(psutil.Error):
                    psutil.Process(member.pid).resume()
        for member in self._members:
            member.workers.stop()
        self._drop_master()
        self._folder.cleanup()

    # --- What can be seen ----------------------------------------------------------------------------

    def look(self) -> Seen:
        """Collect what results there are, and return and keep all that can be seen now."""
        if self._master:
            try:
                self._collect()
                self._view = self._master.view(self._batches)
            except MasterGone:
                self._drop_master()
                self._say("the master is gone")
        for member in self._members:
            if not member.alive and not member.told:
                member.told = True
                self._say(f"worker {member.number} is gone: exit code {member.workers.exit_codes[0]}")
        view, lost = self._view, self._master is None
        seen = Seen(
            time.monotonic() - self._began,
            not lost,
            self._lease,
            self._put + view.put,
            view.waiting,
            view.in_work,
            self._done + view.ended - view.shelved,
            self._shelved + view.shelved,
            tuple(self._seen(member, view) for member in self._members),
            tuple(self._log[-8:]),
        )
        self.moments.append(seen)
        if len(self.moments) > _MOST:  # every other one of the older half
            del self.moments[1 : _MOST // 2 : 2]
        return seen

    # --- Inside --------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._log.append(f"{time.monotonic() - self._began:.1f} s: {text}")

    def _up(self) -> Master:
        if not self._master:
            raise QueueError("the master is not up: start it again first")
        return self._master

    def _member(self, number: int) -> Member:
        for member in self._members:
            if member.number == number and member.alive:
                return member
        raise ValueError(f"number: expected a worker that is alive, got {short(number)}")

    def _start_master(self) -> None:
        journal = Path(self._folder.name, "journal")
        self._master = launch_master(lease=self._lease, attempts=ATTEMPTS, journal=journal, **self._where)
        self._where = {"port": self._master.port, "key": self._master.key}
        for batch in self._batches:
            batch.resume(self._master)

    def _drop_master(self) -> None:
        if self._master:
            self._master.stop()
        self._master = None

    def _submit(self, function: str, arguments: list[int]) -> None:
        self._batches.append(self._up().submit(function, arguments))

    def _collect(self) -> None:
        """Take the results that have come, and count the tasks of batches that are done."""
        for batch in list(self._batches):
            with suppress(TimeoutError):
                for span in batch.as_completed(_COLLECT):
                    self._note(span.error, span.value)
                self._batches.remove(batch)
                spans = batch.finished.values()
                self._put += len(spans)
                self._shelved += (failed := sum(span.error is not None for span in spans))
                self._done += len(spans) - failed

    def _note(self, error: str | None, value: object) -> None:
        if error is None:
            self.results.append(value)
        else:
            self._say(f"a task set aside: {error}")

    def _seen(self, member: Member, view: View) -> tuple[int, str, tuple[int, ...], float | None]:
        hand = next((h for h in view.hands if computer(h.worker)[1] == member.pid), None)
        tasks, left = (hand.tasks, hand.left) if hand and self._master else ((), None)
        state = "gone" if not member.alive else "paused" if member.paused else "works" if tasks else "idle"
        return member.number, state, tasks, left
