"""A core of its own for each worker that waits, on Linux: beside other busy programs two might share one."""

import os
import sys
import threading
from contextlib import suppress

_here = threading.local()  # cores: those that this worker may use once it has a job


def wait_on_core(number: int) -> None:
    """Have this worker wait for its first job on a core of its own, where the system lets us (Linux).

    Beside other busy programs, two workers that are woken on one core may be left there together for long.
    """
    leave_core()
    if sys.platform == "linux":
        cores = os.sched_getaffinity(0)
        with suppress(OSError):
            os.sched_setaffinity(0, {sorted(cores)[number % len(cores)]})
            _here.cores = cores


def leave_core() -> None:
    """Let this worker go to any core again."""
    if sys.platform == "linux" and (cores := vars(_here).pop("cores", None)):
        os.sched_setaffinity(0, cores)
