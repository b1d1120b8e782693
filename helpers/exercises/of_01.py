"""The exercises of chapter 01: a lock, an order of locks, a future's end, a pool of processes."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from helpers.exercises.desk import NotAttempted, NotYet, exercise, within
from helpers.exercises.probes import Counter, Inside, WatchedLock
from helpers.show import short

_THREADS, _TIMES = 4, 10


@exercise(
    "01.lock",
    "four threads added, one at a time, and nothing was lost.",
    "Adding takes three steps: read, add, write. Who else may be between the first and the last?",
    "The lock has to be held while add_one runs, and given back after it.",
    "In the loop: with lock: counter.add_one()",
)
def _lock(add_all: Callable[[Counter, WatchedLock, int], object]) -> None:
    counter, lock = Counter(), WatchedLock()
    try:
        within(5, add_all, counter, lock, _TIMES, threads=_THREADS)
    except NotYet:
        if lock.locked():
            raise NotYet("a thread took the lock and never gave it back, so all others wait.") from None
        raise
    expected = _THREADS * _TIMES
    if not counter.inside.times and counter.value:
        raise NotYet("counter.value was changed from outside; adding is what counter.add_one() does.")
    if not counter.inside.times:
        raise NotAttempted("nobody has called counter.add_one().")
    if counter.inside.times != expected:
        raise NotYet(
            f"{_THREADS} threads were to add {_TIMES} times each; add_one was called {counter.inside.times} "
            f"times, not {expected}."
        )
    if not lock.taken:
        lost = ", and updates were lost" if counter.value < expected else ""
        raise NotAttempted(
            f"the lock that was handed over was never taken{lost}. (A lock of a thread's own keeps nobody "
            "out.)"
        )
    if counter.inside.most > 1:
        raise NotYet(
            f"the lock was taken, but {counter.inside.most} threads were between read and write at the same "
            "moment. Hold it for as long as add_one runs."
        )


class Account:
    """A bank account with a number, a balance, and a lock that guards it."""

    def __init__(self, number: int) -> None:
        """Open it, with nothing in it."""
        self.number = number
        self.lock = WatchedLock()
        self.begin(0)

    def begin(self, balance: int) -> None:
        """Begin with this balance."""
        self._balance = balance
        self.touched_without_lock = False

    @property
    def balance(self) -> int:
        """The money in it; whoever changes it has to hold the lock."""
        return self._balance

    @balance.setter
    def balance(self, value: int) -> None:
        self.touched_without_lock |= self.lock.holder != threading.get_ident()
        self._balance = value


@exercise(
    "01.order",
    "both locks are held while the money moves, and always taken in the same order: no deadlock can happen.",
    "One transfer goes from 1 to 2, another from 2 to 1. Which lock does each take first?",
    "If everybody takes the lock of the lower number first, nobody can hold one that the other needs first.",
    "first, second = sorted([source, target], key=lambda account: account.number), then: with first.lock, "
    "second.lock:",
)
def _order(transfer: Callable[[Account, Account, int], object]) -> None:
    order = []
    taken: list[int] = []
    accounts = {number: Account(number) for number in (1, 2)}
    for account in accounts.values():
        _note_order(account, taken)
    for one, other in ((1, 2), (2, 1)):
        source, target = accounts[one], accounts[other]
        taken.clear()
        for account in accounts.values():
            account.begin(100)
        try:
            within(5, transfer, source, target, 30)
        except NotYet as late:
            if "has not ended" in str(late) and any(account.lock.locked() for account in accounts.values()):
                raise NotYet(
                    "one transfer alone waits for ever, for a lock that its own thread has taken and not "
                    "given back."
                ) from None
            raise
        if (source.balance, target.balance) == (100, 100):
            raise NotAttempted("no money has moved.")
        if (source.balance, target.balance) != (70, 130):
            raise NotYet(
                f"30 of 100 were to go from account {one} to account {other}; now they have "
                f"{source.balance} and {target.balance}."
            )
        if any(account.lock.locked() for account in accounts.values()):
            raise NotYet("a lock was not given back, so the next transfer waits for ever.")
        if any(account.touched_without_lock for account in accounts.values()):
            raise NotYet("a balance was changed by a thread that did not hold this account's lock.")
        order.append(taken[:2])
    if order[0] != order[1]:
        raise NotYet(
            f"from 1 to 2, the locks are taken in the order {order[0]}, from 2 to 1 in the order {order[1]}. "
            "Two transfers at once can each hold the lock that the other one needs."
        )


def _note_order(account: Account, taken: list[int]) -> None:
    acquire = account.lock.acquire

    def noted(blocking: bool = True, timeout: float = -1) -> bool:
        taken.append(account.number)
        return acquire(blocking, timeout)

    account.lock.acquire = noted  # type: ignore[method-assign]


@exercise(
    "01.future",
    "a value, an error and a job that takes too long: each comes back as what it is.",
    "What does a future's result() do when the job has raised an exception?",
    "result(timeout=seconds) raises TimeoutError when the job is not done by then.",
    "future = pool.submit(job); try: return future.result(timeout=seconds); except TimeoutError: return "
    '"too late"; except Exception as error: return type(error).__name__',
)
def _future(attempt: Callable[[ThreadPoolExecutor, Callable[[], object], float], object]) -> None:
    ran = Inside()
    go_on = threading.Event()

    def good() -> int:
        with ran:
            return 42

    def bad() -> int:
        with ran:
            raise KeyError("no such page")

    def slow() -> None:
        with ran:
            go_on.wait(10)

    pool = ThreadPoolExecutor(2)
    try:
        value = within(5, attempt, pool, good, 1.0)
        if value is None and not ran.times:
            raise NotAttempted("no job was submitted.")
        if not ran.times:
            raise NotYet("the job was not run: give it to the pool with pool.submit(job).")
        if value != 42:
            raise NotYet(f"a job that returns 42 was to give 42, and gave {short(value)}.")
        try:
            name = within(5, attempt, pool, bad, 1.0)
        except KeyError:
            raise NotYet(
                "a job raised KeyError, and so did the answer: return the name of the exception."
            ) from None
        if name != "KeyError":
            raise NotYet(f'a job that raises KeyError was to give "KeyError", and gave {short(name)}.')
        began = time.monotonic()
        try:
            late = within(3, attempt, pool, slow, 0.2)
        except TimeoutError:
            raise NotYet(
                'a job took too long, and the answer raised TimeoutError: return "too late".'
            ) from None
        except NotYet:
            raise NotYet("a job was to be given 0.2 s, and was waited for much longer.") from None
        if late != "too late":
            raise NotYet(f'a job that takes too long was to give "too late", and gave {short(late)}.')
        if time.monotonic() - began > 2.5:
            raise NotYet("a job was to be given 0.2 s, and was waited for much longer.")
    finally:
        go_on.set()
        pool.shutdown(wait=False)


@exercise(
    "01.pool",
    "two processes did the work, and the results came home in order.",
    "Which executor runs its jobs in processes? Its map keeps the order.",
    "A process imports the function by name, so it has to be that of your module, not one from a cell.",
    "with ProcessPoolExecutor(2) as pool: return list(pool.map(my_work.square, numbers))",
)
def _pool(squares: Callable[[list[int]], Any]) -> None:
    numbers = list(range(8))
    before = {child.pid for child in multiprocessing.active_children()}
    try:
        found = within(15, squares, numbers)
    finally:
        left = [child for child in multiprocessing.active_children() if child.pid not in before]
        for child in left:
            child.terminate()
    if found is None:
        raise NotAttempted("nothing was returned.")
    found = list(found) if not isinstance(found, list) else found
    if not all(isinstance(one, tuple) and len(one) == 2 for one in found):
        raise NotYet(f"a list of what my_work.square returns was expected, pairs; got {short(found)}.")
    if [square for square, _ in found] != [n * n for n in numbers]:
        raise NotYet(f"the squares of {numbers} in their order were expected; got {short(found)}.")
    pids = {pid for _, pid in found}
    if pids == {os.getpid()}:
        raise NotYet("all eight ran in this notebook's own process: were the workers threads, or nobody?")
    if os.getpid() in pids:
        raise NotYet("some of the jobs ran in this notebook's own process.")
    if left:
        raise NotYet(f"{len(left)} worker processes are still there: leave the pool by a with block.")
