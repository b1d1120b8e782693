"""Which pool of processes notices that a worker has died at its job, and which waits for ever.

Each pool is in a program of its own, ``python -m helpers.experiments.dead_workers KIND``.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from helpers import children, jobs, programs

_START_TIMEOUT = 60  # seconds that a healthy worker may need, on the slowest computer
_RESULT_TIMEOUT = 1.5  # seconds to wait for the result of a job whose worker is dead
_Do = Callable[[Callable[[], object], float], object]  # do a job, and wait so many seconds for its result


class Notice(NamedTuple):
    """Whether a pool noticed that a worker process died at its job, and how.

    ``how`` is the name of the exception that came instead of the job's result, or how long was waited for
    nothing.
    """

    noticed: bool
    how: str


def notices() -> dict[str, Notice]:
    """Give a job that kills its worker to each kind of process pool, and wait a moment for its result.

    The kinds are "ProcessPoolExecutor", of ``concurrent.futures``, and "Pool", of ``multiprocessing``. Each
    has two workers, has done a job before, and is in a program of its own. Raises RuntimeError when a program
    with a pool fails.
    """
    return {kind: Notice(*programs.ask("helpers.experiments.dead_workers", kind)) for kind in _POOLS}


# --- In the program ----------------------------------------------------------------------------------


def _in_executor(context: children.Context) -> Notice:
    with ProcessPoolExecutor(2, context, initializer=children.leave_with_parent) as pool:
        return _lose_a_worker(lambda job, seconds: pool.submit(job).result(seconds))


def _in_pool(context: children.Context) -> Notice:
    with context.Pool(2, initializer=children.leave_with_parent) as pool:
        return _lose_a_worker(lambda job, seconds: pool.apply_async(job).get(seconds))


def _lose_a_worker(do: _Do) -> Notice:
    """Let a pool do a job that kills its worker; return what came of it."""
    do(os.getpid, _START_TIMEOUT)  # so that a slow start is not taken for silence
    try:
        do(jobs.kill, _RESULT_TIMEOUT)
    except (TimeoutError, multiprocessing.TimeoutError):
        return Notice(False, f"still waiting after {_RESULT_TIMEOUT:g} s")
    except Exception as error:
        return Notice(True, type(error).__name__)
    raise RuntimeError("the job has a result, so it did not kill its worker")


_POOLS = {"ProcessPoolExecutor": _in_executor, "Pool": _in_pool}


def _measure(kind: str) -> Notice:
    return _POOLS[kind](multiprocessing.get_context(children.default_start_method()))


if __name__ == "__main__":
    programs.answer(_measure, *sys.argv[1:])
