"""What is handed to an answer to see what it does: locks, counters, queues that note who was there."""

import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any


class WatchedLock:
    """A lock that notes which threads took it, and who holds it now."""

    def __init__(self) -> None:
        """Make a lock that is free."""
        self._lock = threading.Lock()
        self.taken = 0
        self.holder: int | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Do what a lock's ``acquire`` does, and note it."""
        if not self._lock.acquire(blocking, timeout):
            return False
        self.taken += 1
        self.holder = threading.get_ident()
        return True

    def release(self) -> None:
        """Do what a lock's ``release`` does, and note it."""
        self.holder = None
        self._lock.release()

    def locked(self) -> bool:
        """Tell whether anybody holds it."""
        return self._lock.locked()

    def __enter__(self) -> bool:
        """Take it."""
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self.release()


class Inside:
    """Counts how many are in a ``with`` block at once, and keeps the highest number."""

    def __init__(self) -> None:
        """Count from nobody."""
        self._lock = threading.Lock()
        self.now = self.most = self.times = 0

    def __enter__(self) -> None:
        """Count one more."""
        with self._lock:
            self.now += 1
            self.times += 1
            self.most = max(self.most, self.now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count one less."""
        with self._lock:
            self.now -= 1


class Counter:
    """A counter whose adding takes a while between read and write, and that notes who was there meanwhile."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.value = 0
        self.inside = Inside()

    def add_one(self) -> None:
        """Read, let others have their turn, and write."""
        with self.inside:
            seen = self.value
            time.sleep(0.001)
            self.value = seen + 1


class Together(Inside):
    """A block whose visitors wait in it until so many are there at once, or until one has waited too long."""

    def __init__(self, size: int, seconds: float = 1.0) -> None:
        """Wait for ``size`` of them, no longer than ``seconds``."""
        super().__init__()
        self._size, self._seconds = size, seconds
        self._gave_up = False

    def wait(self) -> None:
        """Wait, in a thread."""
        end = time.monotonic() + self._seconds
        while self._is_too_few(end):
            time.sleep(0.001)

    async def wait_in_loop(self) -> None:
        """Wait, in an event loop."""
        import asyncio  # only here, as it takes a while to import

        end = time.monotonic() + self._seconds
        while self._is_too_few(end):
            await asyncio.sleep(0.001)

    def _is_too_few(self, end: float) -> bool:
        self._gave_up |= time.monotonic() > end
        return self.most < self._size and not self._gave_up


class WatchedQueue(queue.Queue[Any]):
    """A bounded queue that notes how full it was, and can send away all who wait at it."""

    def __init__(self, maxsize: int) -> None:
        """Make an empty one."""
        super().__init__(maxsize)
        self.puts = self.highest = self.waiting = 0
        self.waits = ""
        """Where somebody waits or has waited last: "put" or "get"."""
        self._ended = False

    def _put(self, item: object) -> None:
        super()._put(item)
        self.puts += 1
        self.highest = max(self.highest, self._qsize())

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        """Do what a queue's ``put`` does."""
        self._until_ended(lambda seconds: super(WatchedQueue, self).put(item, block, seconds), block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Do what a queue's ``get`` does."""
        return self._until_ended(
            lambda seconds: super(WatchedQueue, self).get(block, seconds), block, timeout
        )

    def end(self) -> None:
        """Have all who wait here, or come here later, leave their threads."""
        self._ended = True
        with self.all_tasks_done:
            self.unfinished_tasks = 0
            self.all_tasks_done.notify_all()

    def _until_ended(self, act: Callable[[float | None], Any], block: bool, timeout: float | None) -> Any:
        if not block or timeout is not None:
            return act(timeout)
        self.waiting += 1
        try:
            while not self._ended:
                try:
                    return act(0.05)
                except queue.Empty:
                    self.waits = "get"
                except queue.Full:
                    self.waits = "put"
        finally:
            self.waiting -= 1
        raise SystemExit
