"""Crashes on purpose, each in a program of its own, so that the reader's kernel survives all of them.

A scene is a small program, ``python -m helpers.experiments.accidents SCENE``, whose workers do sums for pi
and write one line of JSON for each step. The reader's side collects the lines and makes a trace of them, also
when the program dies half-way: what was written before stays written.

    reader --starts--> the scene's master --starts--> worker 1, 2, 3
       ^                        |                          |
       +------- lines of JSON --+--------------------------+
"""

import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from helpers import children, jobs, programs
from helpers.traces import Span, Trace, Worker

DEADLINE = 60  # seconds after which a scene is ended, on the slowest computer
_PLAYS = 10  # of a scene, at the most
_SLICES = 24  # sums that a worker does, about a hundredth of a second each
_Event = dict[str, Any]


@dataclass(frozen=True)
class Accident:
    """What happened: the workers' trace, the master's exit code, the workers' exit codes, and the moment.

    The codes are those of ``subprocess``: 0 is a normal end, negative the number of a signal. ``exit_codes``
    holds those that the master could still read, by worker number from 1. ``moment`` is a time in seconds
    on the clock of the trace. A job that did not finish has an error in its span, which ends at the moment,
    or with the last that was heard of it.
    """

    trace: Trace
    master_exit_code: int
    exit_codes: dict[int, int]
    moment: float

    @property
    def finished(self) -> list[int]:
        """The numbers of the workers that finished their job, from 1."""
        return [span.job + 1 for span in self.trace.spans if span.error is None]


def worker_killed() -> Accident:
    """Kill one of three worker processes; return what became of the others."""
    return _run("worker-killed")


def thread_crashes() -> Accident:
    """Let one of three threads touch memory that is not there; return what became of the others."""

    def in_time(accident: Accident) -> bool:
        """Tell whether no other thread had all but finished by then."""
        done = [sum(at < accident.moment for at, _ in span.samples) for span in accident.trace.spans]
        return max(done) <= _SLICES - 4

    return _played("thread-crashes", in_time)


def thread_raises() -> Accident:
    """Let one of three threads raise an exception; return what became of the others."""
    return _run("thread-raises")


def master_killed() -> Accident:
    """Kill a master of three worker processes; return what became of them.

    Worker 1 is plain, and worker 2 a daemon. Worker 3 watches its master, and leaves when that is gone.
    """
    return _played("master-killed", _while_all_work)


def master_exits() -> Accident:
    """Let a master of the same three workers come to the end of its program while they work."""
    return _played("master-exits", _while_all_work)


def _while_all_work(accident: Accident) -> bool:
    """Tell whether no worker had finished at the moment of the accident."""
    return all(span.finished >= accident.moment for span in accident.trace.spans)


# --- The reader's side -------------------------------------------------------------------------------


def _run(scene: str) -> Accident:
    """Start a scene, read its lines until all its processes have ended, and make the trace.

    Raises RuntimeError, with the scene's own words, when it fails.
    """
    events: list[_Event] = []
    with _started(scene) as program:
        for line in program.lines():
            if line.startswith("{"):
                events.append(json.loads(line))
            at_work = {event["worker"] for event in events if event["event"] == "working"}
            if scene == "master-killed" and len(at_work) == 3 and program.exit_code is None:
                program.kill()
                events.append({"event": "moment", "at": time.perf_counter()})
        code = program.wait()
    started = {event["worker"] for event in events if event["event"] == "started"}
    if len(started) < 3 or not any(event["event"] == "moment" for event in events):
        raise RuntimeError(f"the scene {scene} failed with exit code {code}: {program.said() or 'no word'}")
    return _accident(_SCENES[scene][0], events, code)


def _played(scene: str, good: Callable[[Accident], bool]) -> Accident:
    """Play a scene until it has gone as it should; raise RuntimeError when it never does."""
    for _ in range(_PLAYS):
        if good(accident := _run(scene)):
            return accident
    raise RuntimeError(
        f"the scene {scene} came too late {_PLAYS} times: this computer is too busy for it now"
    )


@contextmanager
def _started(scene: str) -> Iterator[programs.Program]:
    program = programs.start("helpers.experiments.accidents", scene)
    alarm = threading.Timer(DEADLINE, program.kill)
    alarm.start()
    try:
        yield program
    finally:
        alarm.cancel()
        program.kill()
        program.stop()


def _accident(way: str, events: list[_Event], exit_code: int) -> Accident:
    by_worker = {number: [e for e in events if e.get("worker") == number] for number in (1, 2, 3)}
    moment = next(e["at"] for e in events if e["event"] == "moment")
    spans = tuple(_span(number, steps, moment) for number, steps in by_worker.items())
    codes = {e["worker"]: e["exit_code"] for e in events if e["event"] == "ended"}
    master = next(e["pid"] for e in events if e["event"] == "master")
    trace = Trace(way, spans, tuple(span.worker for span in spans), master)
    return Accident(trace, exit_code, codes, moment)


def _span(number: int, steps: list[_Event], moment: float) -> Span:
    """Make a worker's span of its lines; one that did not finish was alive at least until the moment."""
    work = [step for step in steps if step["event"] in ("started", "working", "finished")]
    first, last = work[0], work[-1]
    raised = next((step["error"] for step in steps if step["event"] == "raised"), "died at work")
    error = None if last["event"] == "finished" else raised
    samples = tuple((step["at"], step["cpu"]) for step in work[1:] if step["event"] == "working")
    who = Worker(first["pid"], first["thread"])
    start, end = first["at"], last["at"] if error is None else max(last["at"], moment)
    return Span(number - 1, who, start, start, end, end, last["cpu"], samples, error=error)


# --- The scene ---------------------------------------------------------------------------------------


def _tell(event: str, /, worker: int | None = None, **details: Any) -> None:
    """Write one line in one call, so that the lines of several processes do not mix."""
    line = json.dumps({"event": event, "worker": worker, "at": time.perf_counter(), **details})
    os.write(1, f"{line}\n".encode())


def _work(
    number: int, all_started: threading.Barrier, at_work: threading.Semaphore, mishap: str, watch: bool
) -> None:
    """Wait for the others, then do sums for pi and tell each step; half-way, let the mishap happen."""
    if watch:
        children.leave_with_parent()
    began = time.thread_time()
    me = Worker(os.getpid(), threading.get_native_id())
    tell = partial(_tell, worker=number, pid=me.pid, thread=me.thread)
    tell("started", cpu=0.0)
    all_started.wait()
    for done in range(_SLICES):
        jobs.pi_sum(100_000)
        tell("working", cpu=time.thread_time() - began)
        at_work.release()
        if mishap and done == _SLICES // 2:
            _tell("moment")
            try:
                _MISHAPS[mishap]()
            except ValueError as error:
                tell("raised", error=f"ValueError: {error}")
                raise
    tell("finished", cpu=time.thread_time() - began)


def _raise() -> None:
    raise ValueError("a bug in one job")


_MISHAPS = {"kill": jobs.kill, "crash": jobs.crash, "raise": _raise}

_SCENES = {  # the kind of workers, and what happens to worker 2; or to the master, which has three of a kind
    "worker-killed": ("processes", "kill"),
    "thread-crashes": ("threads", "crash"),
    "thread-raises": ("threads", "raise"),
    "master-killed": ("processes", ""),
    "master-exits": ("processes", ""),
}


def main(scene: str) -> None:
    """Play a scene: start three workers, wait for them, and tell how each ended."""
    kind, mishap = _SCENES[scene]
    context: children.Context = multiprocessing.get_context(children.default_start_method())
    home: Any = context if kind == "processes" else threading
    make = home.Process if kind == "processes" else home.Thread
    all_started, at_work = home.Barrier(3, timeout=DEADLINE), home.Semaphore(0)
    _tell("master", pid=os.getpid())
    of_three_kinds = scene.startswith("master")
    workers = [
        make(
            target=_work,
            args=(n, all_started, at_work, mishap if n == 2 else "", of_three_kinds and n == 3),
            daemon=of_three_kinds and n == 2,
        )
        for n in (1, 2, 3)
    ]
    for worker in workers:
        worker.start()
    if scene == "master-exits":
        _wait_until_at_work(at_work)
        _tell("moment")
        return
    for number, worker in enumerate(workers, start=1):
        worker.join()
        if kind == "processes":
            _tell("ended", number, exit_code=worker.exitcode)


def _wait_until_at_work(at_work: threading.Semaphore) -> None:
    """Wait until the workers have done a quarter of their work together."""
    for _ in range(3 * _SLICES // 4):
        at_work.acquire()


if __name__ == "__main__":
    main(sys.argv[1])
