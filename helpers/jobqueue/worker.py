"""The worker: a program that takes tasks from a master, runs them, and reports what came of them.

    python -m helpers.jobqueue.worker --host H --port P [--key-file F] [--function square] [--prefetch 1]
        [--allow MODULE] [--reconnect 0]
    python -m helpers.jobqueue.worker --host H --port P [--key-file F] --plain

Exit codes: 0 done, 1 trouble of its own, 2 usage, 3 the key was refused, 4 nothing answers at that address,
5 the master went away.
"""

import argparse
import contextlib
import io
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

from helpers import programs
from helpers.clocked import text_of
from helpers.jobqueue import functions
from helpers.jobqueue.channel import Channel
from helpers.jobqueue.errors import KeyRefused, MasterGone, NobodyThere, QueueError, UsageError, is_lost
from helpers.jobqueue.key import KEY_VARIABLE, find_key
from helpers.jobqueue.session import Leave, Session, leave_at_once, say_error, work
from helpers.show import short

if TYPE_CHECKING:
    from helpers.jobqueue.protocol import QueueManager

_FINISH_TIMEOUT = 0.5  # seconds for the task in hand when whoever started this worker is gone
_GONE = "the master went away: start it again, then this worker"
_RECONNECT_INTERVAL = 0.1  # seconds between two tries


def work_plain(manager: "QueueManager", stopping: threading.Event) -> None:
    """Square numbers, as the article's worker does, until there has been none for a second."""
    tasks, results = manager.get_task_queue(), manager.get_result_queue()
    while not stopping.is_set():
        try:
            n = tasks.get(timeout=1)
        except queue.Empty:
            return
        print(f"working on {short(n)} * {short(n)}", flush=True)
        results.put(_square_in_words(n))


def _square_in_words(n: Any) -> str:
    try:
        return f"{n} * {n} = {functions.square(n)}"
    except Exception:  # no number, or one with more digits than Python turns into text
        return f"{short(n)} cannot be squared: other tasks are for a worker without --plain"


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _options(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a task may hold what a terminal cannot show
    for name in functions.FUNCTIONS:
        functions.find(name)  # what they import should not be a part of the first task
    try:
        key = find_key(options.key_file)
        if key is None:
            raise UsageError(f"no key: give the master's by --key-file, or in {KEY_VARIABLE}")
        _allow(options.allow)
        if options.plain:
            _plain(options, key)
        else:
            _Worker(options, key).run()
    except Exception as error:  # also that this computer has no memory, or no thread
        say_error(error)
        return error.exit_code if isinstance(error, QueueError) else 1
    except (KeyboardInterrupt, Leave):
        return 0
    return 0


def _allow(modules: list[str]) -> None:
    try:
        functions.allow(modules)
    except BaseException as error:
        raise UsageError(f"--allow {' '.join(modules)}: it cannot be imported ({text_of(error)})") from None


def _plain(options: argparse.Namespace, key: bytes) -> None:
    """Be the article's worker."""
    from multiprocessing.managers import RemoteError

    from helpers.jobqueue.protocol import connect

    stopping = threading.Event()
    _when_told(stopping, lambda: os._exit(0))
    if options.until_stdin_closes:
        programs.when_input_closes(lambda: os._exit(0))
    manager = connect(options.host, options.port, key)
    try:
        print(f"connected to {options.host}:{options.port}", flush=True)
        work_plain(manager, stopping)
    except RemoteError as error:
        raise QueueError(f"the master could not do that: {str(error).strip().splitlines()[-1]}") from None
    except (OSError, EOFError) as error:
        if not is_lost(error):
            raise QueueError(f"a task could not be read, or there was trouble of my own: {error}") from None
        raise MasterGone(_GONE) from None


def _when_told(stopping: threading.Event, leave: Callable[[], object]) -> None:
    """Finish the task in hand on the first Ctrl-C, SIGTERM or SIGHUP, and leave at once on the second."""
    told = count()

    def stop(*_: object) -> None:
        stopping.set()
        if next(told):  # the second may come in the middle of the first
            leave()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def _leave() -> NoReturn:
    raise Leave


class _Worker:
    """One worker program: its session, and how it leaves."""

    def __init__(self, options: argparse.Namespace, key: bytes) -> None:
        self._options = options
        self._connect: Callable[[str], Channel] = partial(Channel, options.host, options.port, key)
        self._session: Session | None = None
        self._stopping, self._done = threading.Event(), threading.Event()
        self._unreported: list[Any] = []

    def run(self) -> None:
        """Work until told to stop. Raises QueueError when the master is not there, or not any more."""
        _when_told(self._stopping, _leave)
        if self._options.until_stdin_closes:
            programs.when_input_closes(self._finish_soon)
        self._work()
        while True:
            try:
                return self._work_on()
            except MasterGone:
                if not self._options.reconnect:
                    raise MasterGone(_GONE) from None
                self._work_again()

    def _work(self) -> None:
        """Open a session."""
        failed = _nothing if self._options.reconnect else self._lost
        try:
            self._session = Session(self._connect, self._options.prefetch, self._options.function, failed)
        except TimeoutError as error:
            raise NobodyThere(f"{error}: is it stopped, or another program? check host and port") from None
        print(f"connected to {self._options.host}:{self._options.port}", flush=True)

    def _work_on(self) -> None:
        session = self._session
        assert session is not None
        try:
            work(session, self._stopping, self._unreported)
        except Leave:
            session.give_back(self._unreported)
            raise
        finally:
            self._done.set()
            session.close()

    def _work_again(self) -> None:
        """Open another session, with the same master or one that was started again in its place."""
        end = time.monotonic() + self._options.reconnect
        while not self._stopping.wait(_RECONNECT_INTERVAL):
            try:
                self._done.clear()
                return self._work()
            except KeyRefused:
                raise
            except QueueError:
                if time.monotonic() > end:
                    raise MasterGone(
                        f"the master went away and did not come back for {self._options.reconnect:g} s: "
                        "start it again, then this worker"
                    ) from None
        raise Leave

    def _lost(self, error: Exception) -> None:
        if isinstance(error, MasterGone):
            error = MasterGone(_GONE)
        leave_at_once(error)

    def _finish_soon(self) -> None:
        """Leave in a while; give the task in hand back if it takes longer."""
        self._stopping.set()
        if not self._done.wait(_FINISH_TIMEOUT) and self._session:
            with contextlib.suppress(QueueError, TimeoutError):  # then its lease runs out
                self._session.give_back()
        os._exit(0)


def _nothing(_: Exception) -> None:
    """Leave it to the next call to notice that the master is gone."""


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m helpers.jobqueue.worker", description="Run tasks.")
    parser.add_argument("--host", required=True, help="the master's address")
    parser.add_argument("--port", required=True, type=int, help="the master's port")
    parser.add_argument("--key-file", help=f"a file that holds the master's key (default: {KEY_VARIABLE})")
    parser.add_argument("--function", choices=functions.FUNCTIONS, help="run only this one (default: all)")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="MODULE", help="also run functions of this module"
    )
    parser.add_argument("--prefetch", type=int, default=1, help="tasks to take at a time (default: 1)")
    parser.add_argument(
        "--reconnect", type=float, default=0, metavar="SECONDS", help="time for a lost master to come back"
    )
    parser.add_argument("--plain", action="store_true", help="square whole numbers until there are no more")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    options = parser.parse_args(arguments)
    if options.plain and (options.function not in (None, "square") or options.allow):
        parser.error("--plain squares numbers, it goes with no --allow and no other --function")
    if options.prefetch < 1:
        parser.error("--prefetch: expected a whole number of at least 1")
    if not 0 <= options.reconnect < float("inf"):
        parser.error("--reconnect: expected 0 seconds or more")
    return options


if __name__ == "__main__":
    sys.exit(main())
