"""Real threads that take one step at a time, each when it is told to: the model of the lab step by step.

    thread 1, thread 2 <--- "your next step" --- step() --- the learner
            |
            +--- lock.acquire(): a real lock, at which a real thread waits

Two threads add one to a counter in three steps. In between, the learner is the scheduler.
"""

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

from helpers.show import short

_POLL = 0.02  # seconds between two looks of a thread that waits at a lock, whether the lab has ended
_PROMPT = 10.0  # seconds that a thread may need for a step, on a very busy computer

ADD = ("seen = counter", "seen = seen + 1", "counter = seen")
"""What ``counter += 1`` does, in steps."""

PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no lock": (ADD, ADD),
    "one lock": (("a.acquire()", *ADD, "a.release()"),) * 2,
    "two locks, taken crosswise": (
        ("a.acquire()", "b.acquire()", *ADD, "b.release()", "a.release()"),
        ("b.acquire()", "a.acquire()", *ADD, "a.release()", "b.release()"),
    ),
    "two locks, in one order": (
        ("a.acquire()", "b.acquire()", *ADD, "b.release()", "a.release()"),
    ) * 2,
}  # fmt: skip
"""What each of the two threads runs, line by line."""


@dataclass(frozen=True)
class Thread:
    """One thread as it is now: its lines, how many it has run, what it has read, and what it waits for.

    ``seen`` is None before it has read. ``waits_for`` names a lock that another thread holds, "" for none.
    """

    lines: tuple[str, ...]
    done: int
    seen: int | None
    waits_for: str

    @property
    def can_step(self) -> bool:
        """Whether it has a next step and is not at a lock that another one holds."""
        return self.done < len(self.lines) and not self.waits_for


class State(NamedTuple):
    """All that can be seen: the counter, the threads, and who holds each lock (its number from 0)."""

    counter: int
    threads: tuple[Thread, ...]
    holders: dict[str, int]

    @property
    def finished(self) -> bool:
        """Whether both threads have run all their lines."""
        return all(thread.done == len(thread.lines) for thread in self.threads)

    @property
    def deadlock(self) -> bool:
        """Whether each thread waits for a lock that is held by one that waits, so that no step is left."""
        return not self.finished and not any(thread.can_step for thread in self.threads)

    @property
    def lost(self) -> int:
        """How many updates were lost, once both have finished."""
        return len(self.threads) - self.counter if self.finished else 0


class Steps:
    """Two real threads and a counter. Threads wait before each line until ``step`` lets them run it."""

    def __init__(self, program: str) -> None:
        """Start the threads of one of ``PROGRAMS``. Raises ValueError for another name."""
        if program not in PROGRAMS:
            raise ValueError(f"program: expected one of {', '.join(PROGRAMS)}, got {short(program)}")
        self.program, self.counter = program, 0
        self._changed = threading.Condition()
        self._ended = False
        self._locks = {name: threading.Lock() for name in "ab"}
        self._holders: dict[str, int] = {}
        self._threads = [Thread(lines, 0, None, "") for lines in PROGRAMS[program]]
        self._may_run = [0] * len(self._threads)  # so many lines of each thread have been allowed
        for number in range(len(self._threads)):
            threading.Thread(target=self._run, args=(number,), daemon=True).start()

    def state(self) -> State:
        """Return all that can be seen now."""
        with self._changed:
            return State(self.counter, tuple(self._threads), dict(self._holders))

    def step(self, number: int) -> State:
        """Let a thread, numbered from 0, run its next line; return the state once all threads are at rest.

        At a lock that another thread holds, it begins to wait. Raises ValueError for a thread that has no
        next step, RuntimeError when a thread does not come to rest within ten seconds.
        """
        with self._changed:
            if number not in range(len(self._threads)) or not self._threads[number].can_step:
                raise ValueError(f"number: expected a thread that has a next step, got {short(number)}")
            self._may_run[number] += 1
            self._changed.notify_all()
            if not self._changed.wait_for(self._at_rest, _PROMPT):
                raise RuntimeError("a thread does not come to rest: this computer is too busy")
        return self.state()

    def stop(self) -> None:
        """End the threads, also those that wait for each other."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _at_rest(self) -> bool:
        """Tell whether each thread has run what it may, or is at a lock that is held."""
        return all(
            thread.done == allowed or thread.waits_for in self._holders
            for thread, allowed in zip(self._threads, self._may_run, strict=True)
        )

    # --- In the threads ------------------------------------------------------------------------------

    def _run(self, number: int) -> None:
        seen: int | None = None
        for done, line in enumerate(PROGRAMS[self.program][number]):
            with self._changed:
                while not self._ended and self._may_run[number] == done:
                    self._changed.wait()
            name, _, call = line.partition(".")
            if call == "acquire()":
                self._acquire(number, name)
            if self._ended:
                return
            with self._changed:
                if line == "seen = counter":
                    seen = self.counter
                elif line == "seen = seen + 1" and seen is not None:
                    seen += 1
                elif line == "counter = seen" and seen is not None:
                    self.counter = seen
                elif call == "acquire()":
                    self._holders[name] = number
                else:
                    del self._holders[name]
                    self._locks[name].release()
                self._threads[number] = replace(self._threads[number], done=done + 1, seen=seen, waits_for="")
                self._changed.notify_all()

    def _acquire(self, number: int, name: str) -> None:
        """Take a lock; if another thread holds it, say so and wait for it, until the lab ends."""
        lock = self._locks[name]
        if lock.acquire(blocking=False):
            return
        with self._changed:
            self._threads[number] = replace(self._threads[number], waits_for=name)
            self._changed.notify_all()
        while not self._ended and not lock.acquire(timeout=_POLL):
            pass


def ends(program: str) -> dict[tuple[int, bool], int]:
    """Return how a program can end, as (counter, in a deadlock), and after how many orders of steps each.

    It follows the lines in every order that there is, on paper: what real threads do can be compared with it.
    """
    found: Counter[tuple[int, bool]] = Counter()
    _follow(PROGRAMS[program], (0, 0), 0, (0, 0), {}, found)
    return dict(found)


def _follow(
    programs: tuple[tuple[str, ...], ...],
    done: tuple[int, ...],
    counter: int,
    seen: tuple[int, ...],
    holders: dict[str, int],
    found: Counter[tuple[int, bool]],
) -> None:
    """Run each next line that can be run, and go on from there; count where none can."""
    left = [n for n, lines in enumerate(programs) if done[n] < len(lines)]
    free = [n for n in left if programs[n][done[n]].removesuffix(".acquire()") not in holders]
    if not free:
        found[counter, bool(left)] += 1
    for n in free:
        line = programs[n][done[n]]
        name, _, call = line.partition(".")
        value = counter if line == ADD[0] else seen[n] + (line == ADD[1])
        after = counter if line != ADD[2] else value
        held = {lock: who for lock, who in holders.items() if (lock, call) != (name, "release()")}
        held |= {name: n} if call == "acquire()" else {}
        ahead = tuple(number + (m == n) for m, number in enumerate(done))
        read = tuple(value if m == n else old for m, old in enumerate(seen))
        _follow(programs, ahead, after, read, held, found)
