"""Figures of idle workers that make sense, and nothing left of the programs that measure them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import psutil
import pytest

from helpers import machine, programs
from helpers.experiments import worker_costs

POSIX = os.name == "posix"
MEBIBYTE = 2**20


def test_an_idle_process_has_megabytes_to_itself_and_an_idle_thread_far_less():
    before = set(psutil.Process().children(recursive=True))
    memory = worker_costs.idle_memory()
    assert set(psutil.Process().children(recursive=True)) <= before
    assert set(memory) == {"task", "thread", *multiprocessing.get_all_start_methods()}
    assert 0 <= memory["thread"] < MEBIBYTE
    assert MEBIBYTE < memory["spawn"] < 100 * MEBIBYTE
    assert memory["thread"] < min(memory[method] for method in multiprocessing.get_all_start_methods())


def test_idle_threads_cost_more_memory_the_more_they_are():
    idle = worker_costs.idle_threads(most=400)
    assert (idle.wanted, idle.started) == (400, 400)
    assert idle.projected > 400
    assert list(idle.memory) == [100, 200, 300, 400]
    assert sorted(idle.memory.values()) == list(idle.memory.values())
    assert idle.memory[400] < 400 * MEBIBYTE


def test_no_more_threads_are_wanted_than_three_quarters_of_what_fits(monkeypatch):
    few = machine.Capacity({"pids.max": 40})
    monkeypatch.setattr(machine, "capacity", lambda *_: few)
    assert worker_costs._idle_threads("400")[:3] == (40, 30, 30)


def test_threads_that_the_system_refuses_are_not_counted(monkeypatch):
    monkeypatch.setattr(worker_costs, "_idle_thread", lambda: 1)
    monkeypatch.setattr(machine, "capacity", lambda *_: machine.Capacity({"pids.max": 40}))
    start, left = threading.Thread.start, iter(range(10))

    def refuse(thread):
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert worker_costs._idle_threads("400")[:3] == (40, 30, 10)


@pytest.mark.skipif(machine.lacks(start_method="fork") != "", reason="needs fork")
@pytest.mark.parametrize("files", [20, 60])
def test_processes_end_at_the_limit_on_open_files(files):
    limited = worker_costs.limited_processes(files)
    assert limited.projected == files // 2
    assert limited.as_projected
    assert "Too many open files" in limited.error


@pytest.mark.parametrize(("started", "as_projected"), [(31, False), (30, True), (28, True), (27, False)])
def test_as_projected_is_the_number_or_up_to_two_before(started, as_projected):
    assert worker_costs.Limited(30, started, "").as_projected is as_projected


@pytest.mark.parametrize(
    ("measure", "complaint"),
    [
        (lambda: worker_costs.idle_threads(3), "most: "),
        (lambda: worker_costs.limited_processes(9), "files: "),
    ],
)
def test_numbers_that_make_no_sense_are_refused(measure, complaint):
    with pytest.raises(ValueError, match=complaint):
        measure()


def test_private_memory_counts_what_is_one_s_own(monkeypatch):
    before = worker_costs.private_memory()
    own = bytearray(b"x" * 50 * MEBIBYTE)
    assert worker_costs.private_memory() - before > 0.9 * len(own)

    def hidden(_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "memory_full_info", hidden)
    assert worker_costs.private_memory() > 0.9 * len(own)


def end_unless(pid):
    if os.getpid() != pid:
        os._exit(3)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_process_that_does_not_start_has_no_costs(monkeypatch, method):
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: [method])
    fake = SimpleNamespace(getpid=partial(end_unless, os.getpid()), getppid=os.getppid)
    monkeypatch.setattr(worker_costs, "os", fake)
    with pytest.raises(SystemExit, match=f"a process by {method} ended with exit code 3"):
        worker_costs._start_costs("1")


def test_start_costs_has_every_kind(capfd, recwarn):
    costs = worker_costs.start_costs(rounds=2)
    assert list(costs) == ["thread", *multiprocessing.get_all_start_methods()]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in costs.values())
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []


def test_the_program_that_times_the_starts_gives_no_warning():
    """Forking a program that has threads would be one, from Python 3.12 on."""
    command = [sys.executable, "-W", "error", "-m", "helpers.experiments.worker_costs", "start-costs", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_round_trips_are_timed_by_rounds():
    seconds = worker_costs.round_trips(rounds=4)
    assert set(seconds) == {"thread", "process, queue", "process, pipe"}
    assert all(len(each) == 4 and min(each) > 0 for each in seconds.values())


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True, "many"])
def test_rounds_are_a_whole_number(rounds):
    for measure in (worker_costs.round_trips, worker_costs.start_costs):
        with pytest.raises(ValueError, match="rounds: "):
            measure(rounds)


def test_a_program_that_fails_is_an_error_with_its_message():
    with pytest.raises(RuntimeError, match=r"worker_costs the-weather failed:(.|\n)*KeyError"):
        programs.ask("helpers.experiments.worker_costs", "the-weather")


ENDINGS = [
    ("worker_costs.idle_memory()", "SIGKILL"),
    ("worker_costs.round_trips()", "SIGKILL"),
    ("worker_costs.start_costs(1000)", "SIGKILL"),
    ("oversubscription.crowds()", "SIGKILL"),
    ("oversubscription.crowds()", "SIGINT"),
    ("dead_workers.notices()", "SIGKILL"),
    ("dead_workers.notices()", "SIGINT"),
]


READER = """
import signal
from helpers.experiments import dead_workers, oversubscription, worker_costs

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us started in the background
while True:
    {}
"""


def alive(processes):
    """Those that run; one that nobody has asked for its exit code has ended."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.mark.skipif(not POSIX, reason="Windows has no signals to send to another program")
@pytest.mark.parametrize(("measurement", "number"), ENDINGS)
def test_a_reader_that_is_ended_half_way_leaves_nothing(measurement, number):
    command = [sys.executable, "-c", READER.format(measurement)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as reader:
        try:
            family = []
            while len(family) < 3:  # its program is at work
                assert reader.poll() is None
                family = psutil.Process(reader.pid).children(recursive=True)
            reader.send_signal(getattr(signal, number))
            reader.wait(10)
        finally:
            reader.kill()
    end = time.monotonic() + 2
    while alive(family) and time.monotonic() < end:
        time.sleep(0.02)
    assert alive(family) == []
