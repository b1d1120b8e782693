"""What an answer leaves behind: its threads and processes are ended, and what they complained of is kept."""

import ctypes
import gc
import multiprocessing
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import thread as pools
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from helpers.clocked import text_of

_LONG = 150  # characters of an error's words
_GRACE = 1.0  # seconds in which a thread or a process may end by itself


class Leftovers:
    """A block in which an answer runs. What its threads raise is kept, and not printed.

    When the block is left, threads that are still in the answer's code are told to end, and processes that
    were started meanwhile are ended.
    """

    def __init__(self, answer: Callable[..., Any]) -> None:
        """Watch what this function starts."""
        code = getattr(answer, "__code__", None)
        self._folder = Path(code.co_filename).parent if code else None
        self._warnings = warnings.catch_warnings(record=True)
        self.errors: list[str] = []
        """What its threads raised, each in one line."""

    def __enter__(self) -> Self:
        """Note what there is already."""
        self._threads = {thread.ident for thread in threading.enumerate()}
        self._children = {child.pid for child in multiprocessing.active_children()}
        self._hook, threading.excepthook = threading.excepthook, self._keep
        self._warned = self._warnings.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what has come since."""
        for child in multiprocessing.active_children():
            if child.pid not in self._children:
                child.terminate()
                child.join(_GRACE)
                child.kill()
        self._end_threads()
        threading.excepthook = self._hook
        gc.collect()  # so that a coroutine of this answer does not complain while the next one is looked at
        self._warnings.__exit__(kind, error, trace)

    @property
    def never_awaited(self) -> str:
        """The name of a coroutine that was made and never awaited, or nothing."""
        texts = [str(one.message) for one in self._warned or ()]
        names = [text.split("'")[1] for text in texts if text.endswith("' was never awaited")]
        return names[0].rpartition(".")[2] if names else ""

    def _keep(self, told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            self.errors.append(one_line(told.exc_value))

    def _stuck(self) -> list[threading.Thread]:
        """Return the threads that have come since, and are in the answer's code."""
        frames = sys._current_frames()
        return [
            thread
            for thread in threading.enumerate()
            if thread.ident not in self._threads and self._is_in_answer(frames.get(thread.ident or 0))
        ]

    def _is_in_answer(self, frame: FrameType | None) -> bool:
        while frame:
            if Path(frame.f_code.co_filename).parent == self._folder:
                return True
            frame = frame.f_back
        return False

    def _end_threads(self) -> None:
        """Let no exit wait for them; raise SystemExit in those that run, at their next step of Python.

        One that waits stays, as a daemon. It would not come to its next step, and Python would ask all others
        for ever what is meant for it: 3.11 does not get on then where it is traced, as by a debugger.
        """
        for thread in threading.enumerate():
            if thread.ident not in self._threads:
                # A pool of threads has all its threads joined at the exit, those that wait for ever too.
                getattr(pools, "_threads_queues", {}).pop(thread, None)
        running = [thread for thread in self._stuck() if _runs(thread)]
        end = time.monotonic() + _GRACE
        for thread in running:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
            )
        for thread in running:
            thread.join(max(0.0, end - time.monotonic()))


def _runs(thread: threading.Thread) -> bool:
    """Tell whether a thread takes steps of Python, by a few looks at where it is."""
    places = set()
    for _ in range(10):
        frame = sys._current_frames().get(thread.ident or 0)
        places.add((id(frame), frame.f_lasti) if frame else None)
        time.sleep(0.005)
    return len(places) > 1


def one_line(error: BaseException) -> str:
    """Return an error's kind and message in one short line, with no full stop."""
    text = " ".join(text_of(error).split()).rstrip(".:")
    return text if len(text) <= _LONG else f"{text[:_LONG]} ..."
