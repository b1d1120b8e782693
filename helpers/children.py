"""How child processes start, end with whoever started them, and are told to end at once."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

_PARENT_CHECK = 0.5  # seconds between two looks at whether the parent is there

Context = Any
"""What ``multiprocessing.get_context`` returns: its types know no ``Process``."""


def default_start_method() -> str:
    """Return how new processes are started unless the caller says: safe in a program that has threads.

    A notebook's kernel has threads, and a fork copies their locks in whatever state they are; so this is
    "forkserver" where the system has it (the default of Python 3.14 on Linux) and "spawn" elsewhere. The
    environment variable HELPERS_START_METHOD chooses another.
    """
    known = multiprocessing.get_all_start_methods()
    chosen = os.environ.get("HELPERS_START_METHOD") or ("forkserver" if "forkserver" in known else "spawn")
    if chosen not in known:
        raise ValueError(f"HELPERS_START_METHOD: this system has {', '.join(known)}, got {chosen!r}")
    return chosen


def leave_with_parent() -> None:
    """Make this child process end when the process that started it is gone, however that came about.

    A pipe tells of it at once; but not where another child has inherited the parent's end of it by a fork, so
    the parent itself is looked for, too (on POSIX; on Windows, children inherit no pipes).
    """
    if (parent := multiprocessing.parent_process()) and parent.pid:
        threading.Thread(target=_leave_after, args=(parent, parent.pid), daemon=True).start()


def _leave_after(parent: BaseProcess, pid: int) -> None:
    while parent.is_alive():
        parent.join(_PARENT_CHECK)
        if os.name == "posix":
            try:
                os.kill(pid, 0)  # sends nothing
            except ProcessLookupError:
                break
    os._exit(1)


@contextmanager
def serving(context: Context, serve: Callable[[Connection], object]) -> Iterator[Connection]:
    """Start a process that runs ``serve`` with one end of a pipe, until it is sent None; hand out the other.

    After an error nobody waits for the process: it is a daemon, which ends with the program.
    """
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(serve, there), daemon=True)
    process.start()
    there.close()
    with here:
        yield here
        here.send(None)
        process.join()
    process.close()


def _serve(serve: Callable[[Connection], object], pipe: Connection) -> None:
    leave_with_parent()
    serve(pipe)


def kill_workers(executor: "Executor") -> None:
    """End an executor without waiting for the jobs at work: kill its processes, if it has any.

    ``ProcessPoolExecutor.kill_workers`` came with Python 3.14. Before, its processes are known to its private
    ``_processes`` alone, a dict of them by PID, which is None when there are none yet.
    """
    if sys.version_info >= (3, 14) and hasattr(executor, "kill_workers"):
        executor.kill_workers()
        return
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
