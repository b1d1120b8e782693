"""Which pool of processes notices that a worker has died at its job, and which waits for ever.

Each pool is in a program of its own, ``python -m helpers.experiments.dead_workers KIND SECONDS``.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from helpers import children, jobs, programs

_DEADLINE = 60  # seconds that a healthy job may need, on the slowest computer
_Do = Callable[[Callable[[], object], float], object]  # do a job, and wait so many seconds for its result


@dataclass(frozen=True)
class Notice:
    """Whether a pool noticed that a worker process died at its job, and how, within how many seconds.

    ``how`` is the name of the exception that came instead of the job's result, or how long was waited for
    nothing. ``takes_more`` tells whether the pool does the next job that it is given.
    """

    noticed: bool
    how: str
    seconds: float
    takes_more: bool


def notices(patience: float = 1.5) -> dict[str, Notice]:
    """Give a job that kills its worker to each kind of process pool, and wait ``patience`` seconds for it.

    The kinds are "ProcessPoolExecutor", of ``concurrent.futures``, and "Pool", of ``multiprocessing``. Each
    has two workers, has done a job before, and is in a program of its own. Raises ValueError for a
    ``patience`` that is not over 0 and at most 10 seconds, RuntimeError when a program with a pool fails.
    """
    if not 0 < patience <= 10:
        raise ValueError(f"patience: expected over 0 and at most 10 seconds, got {patience!r}")
    return {
        kind: Notice(**programs.ask("helpers.experiments.dead_workers", kind, str(patience)))
        for kind in _POOLS
    }


# --- In the program ----------------------------------------------------------------------------------


def _in_executor(context: children.Context, patience: float) -> dict[str, object]:
    with ProcessPoolExecutor(2, context, initializer=children.leave_with_parent) as pool:
        return _lose_a_worker(lambda job, seconds: pool.submit(job).result(seconds), patience)


def _in_pool(context: children.Context, patience: float) -> dict[str, object]:
    with context.Pool(2, initializer=children.leave_with_parent) as pool:
        return _lose_a_worker(lambda job, seconds: pool.apply_async(job).get(seconds), patience)


def _lose_a_worker(do: _Do, patience: float) -> dict[str, object]:
    """Let a pool do a job that kills its worker, and then one that does not; return what came of both."""
    do(os.getpid, _DEADLINE)  # so that a slow start is not taken for silence
    began = time.perf_counter()
    noticed, how = True, ""
    try:
        do(jobs.kill, patience)
    except (TimeoutError, multiprocessing.TimeoutError):
        noticed, how = False, f"still waiting after {patience:g} s"
    except Exception as error:
        how = type(error).__name__
    seconds = time.perf_counter() - began
    return {"noticed": noticed, "how": how, "seconds": seconds, "takes_more": _takes_more(do)}


def _takes_more(do: _Do) -> bool:
    try:
        do(os.getpid, _DEADLINE)
    except Exception:
        return False
    return True


_POOLS = {"ProcessPoolExecutor": _in_executor, "Pool": _in_pool}


def _measure(kind: str, patience: str) -> dict[str, object]:
    context = multiprocessing.get_context(children.default_start_method())
    return _POOLS[kind](context, float(patience))


if __name__ == "__main__":
    programs.answer(_measure, *sys.argv[1:])
