"""A task's span on its way from the worker through the master to the client, as a small tuple."""

import os
import pickle
import re
import socket
from typing import Any

from helpers.clocked import Clocked, text_of
from helpers.traces import Span, Worker

Report = tuple[int, float, float, float, tuple[tuple[float, float], ...], bool, bytes]
"""Thread, started, finished (on the master's clock), CPU seconds, samples, whether the function was an
old form of what its file holds by now, and the packed value."""


Value = tuple[int, str, Any, str | None]
"""What a task has come to: its number, by which worker, with what value or error."""

_SAMPLES = 200  # that a report holds, so that it stays small
_HERE = socket.gethostname()
_NAME = re.compile(r"(?P<host>.*):(?P<pid>\d+)(#\d+)?", re.DOTALL)


def my_name() -> str:
    """Return this process's name: its computer and its number there. A board may add #2, #3, ... to it."""
    return f"{_HERE}:{os.getpid()}"


def pack(clocked: Clocked, thread: int, ahead: float, is_stale: bool = False) -> tuple[str | None, Report]:
    """Return a job's error, and its report. The master's clock is ``ahead`` seconds of ours.

    A value that cannot be pickled is an error.
    """
    started, finished, cpu, samples, value, error = clocked
    packed = b""
    try:
        packed = pickle.dumps(value)
    except Exception as problem:  # from the pickling methods of whatever class
        error = f"the result cannot be sent: {text_of(problem)}"
    if samples:
        samples = tuple((time + ahead, cpu) for time, cpu in samples[:: len(samples) // _SAMPLES + 1])
    return error, (thread, started + ahead, finished + ahead, cpu, samples, is_stale, packed)


def is_stale(report: Report) -> bool:
    """Tell whether a task's function was an old form of what its file holds by now."""
    return report[5]


def unpack(
    number: int,
    worker: str,
    report: Report | None,
    error: str | None,
    given: float,
    back: float,
    ahead: float,
) -> Span:
    """Return the span of task ``number``, given out and come back at these times of our clock.

    The master's clock is ``ahead`` seconds of ours. A task whose worker died has no report, and times of
    which only those are known.
    """
    host, pid = computer(worker)
    if report is None:
        return Span(number, Worker(pid, 0, host), given, back, back, back, 0.0, error=error)
    thread, started, finished, cpu, samples, _, packed = report
    value, error = _read(packed, error)
    # Where the clocks are two, their difference is known to half a round trip only.
    started = min(max(started - ahead, given), back)
    finished = min(max(finished - ahead, started), back)
    times = (given, started, finished, back, cpu)
    moved = tuple((min(max(time - ahead, started), finished), used) for time, used in samples)
    return Span(number, Worker(pid, thread, host), *times, moved, value, error)


def unpack_value(number: int, worker: str, report: Report | None, error: str | None, *_: float) -> Value:
    """Return what a task is asked for when nobody asks for its times: a span takes far longer to make."""
    if report is None or error is not None:
        return number, worker, None, error
    try:
        return number, worker, pickle.loads(report[-1]), None
    except Exception as problem:
        return number, worker, None, f"the result cannot be read here: {text_of(problem)}"


def _read(packed: bytes, error: str | None) -> tuple[Any, str | None]:
    """Return the value and the error of a task with this error."""
    if error is None:
        try:
            return pickle.loads(packed), None
        except Exception as problem:
            error = f"the result cannot be read here: {text_of(problem)}"
    return None, error


def computer(worker: str) -> tuple[str, int]:
    """Return a worker's computer, "" for this one, and its process number there."""
    found = _NAME.fullmatch(worker)
    if not found:
        return worker, 0
    return "" if found["host"] == _HERE else found["host"], int(found["pid"])
