"""What is handed to an answer to see what it does: locks and counters that note who was there, and when."""

import threading
import time
from types import TracebackType


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
