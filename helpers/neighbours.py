"""What other programs do meanwhile: how many cores they keep busy.

    python -m helpers.neighbours MARK

measures until its standard input is closed, then prints one number. Ours are the processes that have the
variable ``HELPERS_RUN`` with this mark in their environment, as all have that a marked program has started.
"""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

Key = tuple[int, float]
"""A process: its PID, and when it started."""

MARK = "HELPERS_RUN"
STEP, WINDOW = 0.5, 4  # seconds between two readings; readings in a row that make a disturbance


def cores_busy(mark: str, ended: Callable[[float], object]) -> float:
    """Return how many cores were kept busy by processes without the mark, in the busiest two seconds.

    ``ended`` is called with seconds to wait, until what it returns is true; there are two readings at least.
    A process that lives for less than half a second is not seen.
    """
    ours: set[Key] = set()
    busy: list[float] = []
    then, before = time.monotonic(), _used(mark, ours)
    done: object = False
    while not done:
        done = ended(STEP)
        now, after = time.monotonic(), _used(mark, ours)
        used = sum(after[key] - before[key] for key in before.keys() & after.keys())
        busy.append(used / max(now - then, STEP / 2))
        then, before = now, after
    windows = [busy[first : first + WINDOW] for first in range(max(1, len(busy) - WINDOW + 1))]
    return max(sum(window) / len(window) for window in windows)


def _used(mark: str, ours: set[Key]) -> dict[Key, float]:
    """Return the CPU seconds that each process has used that is not ours; add those that are to ``ours``."""
    used = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has just ended, or is none that we may look at
            key = (process.pid, process.create_time())
            if key not in ours and _is_marked(process, mark):
                ours.add(key)
            if key not in ours:
                used[key] = sum(process.cpu_times()[:2])
    return used


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except psutil.AccessDenied:
        return False


def main(mark: str) -> None:
    """Measure until the standard input is closed, and print the number."""
    closed = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=wait, daemon=True).start()
    print(f"{cores_busy(mark, closed.wait):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
