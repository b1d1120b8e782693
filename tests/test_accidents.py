"""Each accident as it happens: who finished, how the others ended, and that nothing is left of it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache

import psutil
import pytest

from helpers.experiments import accidents

POSIX = os.name == "posix"
EVERYBODY, NOBODY = [1, 2, 3], []


def still_alive(processes):
    """Those that have not ended two seconds later; one that nobody has asked for its exit code has ended."""
    end = time.monotonic() + 2
    alive = [process for process in processes if is_alive(process)]
    while alive and time.monotonic() < end:
        psutil.wait_procs(alive, timeout=0.05)
        alive = [process for process in alive if is_alive(process)]
    return alive


def is_alive(process):
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def existing(pids):
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


@cache
def after(scene):
    """Play a scene, once for all tests, check what is the same for all, and return the accident."""
    before = set(psutil.Process().children(recursive=True))
    accident = scene()
    assert set(psutil.Process().children(recursive=True)) <= before
    assert still_alive(existing(accident.trace.pids)) == []
    assert [span.job for span in accident.trace.spans] == [0, 1, 2]
    assert accident.trace.master != os.getpid()
    assert accident.trace.start < accident.moment
    assert all(span.samples for span in accident.trace.spans if span.error is None)
    return accident


def stopped_half_way(accident, number):
    """A worker that was seen at work before the moment, and died at it."""
    span = accident.trace.spans[number - 1]
    return span.started < span.samples[-1][0] <= span.finished == accident.moment


def is_killed(exit_code):
    return exit_code == -signal.SIGKILL if POSIX else exit_code != 0


def errors(accident):
    return {job + 1: error for job, error in accident.trace.errors.items()}


SCENES = [accidents.worker_killed, accidents.thread_crashes, accidents.thread_raises, accidents.master_killed,
          accidents.master_exits]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_nobody_begins_to_work_before_all_have_started(scene):
    """Else one may crash all others before the last is there."""
    spans = after(scene).trace.spans
    assert max(span.started for span in spans) <= min(at for span in spans for at, _ in span.samples)


def test_a_killed_worker_process_harms_no_other():
    accident = after(accidents.worker_killed)
    assert stopped_half_way(accident, 2)
    assert accident.finished == [1, 3]
    assert accident.master_exit_code == 0
    assert is_killed(accident.exit_codes[2])
    assert (accident.exit_codes[1], accident.exit_codes[3]) == (0, 0)
    assert errors(accident) == {2: "died at work"}
    assert len(accident.trace.pids | {accident.trace.master}) == 4


def test_a_crashed_thread_takes_all_others_with_it():
    accident = after(accidents.thread_crashes)
    assert stopped_half_way(accident, 2)
    assert accident.finished == NOBODY
    assert accident.master_exit_code == -signal.SIGSEGV if POSIX else accident.master_exit_code != 0
    assert accident.exit_codes == {}
    assert errors(accident) == dict.fromkeys(EVERYBODY, "died at work")
    assert accident.trace.pids == {accident.trace.master}


def too_late(crash):
    first, *others = crash.trace.spans
    done = replace(first, samples=((crash.moment - 1, 0.0),) * accidents._SLICES, error=None)
    return replace(crash, trace=replace(crash.trace, spans=(done, *others)))


def test_a_crash_that_comes_when_another_thread_is_done_is_played_again(monkeypatch):
    crash = after(accidents.thread_crashes)
    late = too_late(crash)
    assert late.finished == [1]
    plays = iter([late, late, crash])
    monkeypatch.setattr(accidents, "_run", lambda scene: next(plays))
    assert accidents.thread_crashes() is crash


def test_a_scene_that_fails_says_why(monkeypatch):
    monkeypatch.setenv("HELPERS_START_METHOD", "magic")
    with pytest.raises(RuntimeError, match=r"the scene worker-killed failed with exit code 1: (.|\n)*magic"):
        accidents.worker_killed()


def test_a_scene_that_always_comes_too_late_is_given_up(monkeypatch):
    late = too_late(after(accidents.thread_crashes))
    monkeypatch.setattr(accidents, "_run", lambda scene: late)
    with pytest.raises(RuntimeError, match=r"came too late \d+ times: this computer is too busy for it now"):
        accidents.thread_crashes()


def test_an_exception_in_a_thread_ends_this_thread_only():
    accident = after(accidents.thread_raises)
    assert stopped_half_way(accident, 2)
    assert accident.finished == [1, 3]
    assert accident.master_exit_code == 0
    assert accident.exit_codes == {}
    assert errors(accident) == {2: "ValueError: a bug in one job"}
    assert accident.trace.pids == {accident.trace.master}


def test_a_master_that_exits_ends_its_daemon_and_waits_for_the_others():
    accident = after(accidents.master_exits)
    assert accident.finished == [1, 3]
    assert accident.master_exit_code == 0
    assert errors(accident) == {2: "died at work"}
    assert all(span.finished >= accident.moment for span in accident.trace.spans)


def test_of_a_killed_master_only_the_worker_that_watches_it_leaves():
    accident = after(accidents.master_killed)
    assert all(span.finished > accident.moment for span in accident.trace.spans[:2])
    assert accident.finished == [1, 2]
    assert is_killed(accident.master_exit_code)
    assert accident.exit_codes == {}
    assert errors(accident) == {3: "died at work"}
    assert len(accident.trace.pids | {accident.trace.master}) == 4


INTERRUPTED = """
import json
import signal
import threading
import psutil
from helpers.experiments import accidents

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us started in the background
read = json.loads
def read_aloud(line):
    print(line.rstrip(), flush=True)
    if '"working"' in line:
        threading.Event().wait()
    return read(line)

json.loads = read_aloud
try:
    accidents._run({scene!r})
except KeyboardInterrupt:
    print("left:", psutil.Process().children(), flush=True)
"""


@pytest.mark.skipif(not POSIX, reason="Windows has no SIGINT to send to another program")
@pytest.mark.parametrize("whole_group", [False, True], ids=["reader only", "Ctrl-C"])
@pytest.mark.parametrize("scene", ["worker-killed", "thread-crashes", "master-killed"])
@pytest.mark.usefixtures("uncounted")
def test_an_interrupted_scene_leaves_nothing(scene, whole_group):
    """The reader waits at the first line of a worker at work, so that the interrupt comes before the end."""
    command = [sys.executable, "-c", INTERRUPTED.format(scene=scene)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as reader:
        try:
            steps = [json.loads(reader.stdout.readline())]
            while steps[-1]["event"] != "working":
                steps.append(json.loads(reader.stdout.readline()))
            family = existing({step["pid"] for step in steps if "pid" in step})
            (os.killpg if whole_group else os.kill)(reader.pid, signal.SIGINT)
            output, _ = reader.communicate(timeout=10)
        finally:
            reader.kill()
    assert output == "left: []\n"
    assert still_alive(family) == []
