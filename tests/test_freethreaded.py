"""Another Python does the work; the one that runs this stands in for it where there is none without a GIL."""

import os
import sys
import sysconfig
from functools import partial

import psutil
import pytest

from helpers import jobs, machine, measure, programs
from helpers.experiments import freethreaded

HAS_NO_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def test_another_python_runs_the_same_jobs():
    work = [partial(jobs.pi_sum, 40_000), partial(jobs.pi_sum, 1), partial(int, "one")]
    trace = freethreaded.run(work, "threads", 2, python=sys.executable)
    assert trace.values == [jobs.pi_sum(40_000), 4.0, None]
    assert trace.errors == {2: "ValueError: invalid literal for int() with base 10: 'one'"}
    assert trace.way == "threads"
    assert trace.pids == {trace.master} != {os.getpid()}
    assert len(trace.workers) == 2
    assert not psutil.pid_exists(trace.master)


def test_it_needs_none_of_our_packages():
    names = partial(eval, "[name.split('.')[0] for name in __import__('sys').modules]")
    (loaded,) = freethreaded.run([names], "serial", python=sys.executable).values
    foreign = {name for name in loaded if not name.startswith("_")} - sys.stdlib_module_names
    assert foreign - {"sitecustomize"} == {"helpers"}  # the first is a Linux distribution's, where it has one


def test_what_goes_wrong_there_is_said_here():
    with pytest.raises(RuntimeError, match=r"ended with exit code 1: (?s:.*)way: expected one of .* 'magic'"):
        freethreaded.run([jobs.pi_sum], "magic", python=sys.executable)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        freethreaded.run([jobs.pi_sum], "serial", python="/nowhere/python")


def test_one_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(programs, "READY", 0.5)
    with pytest.raises(RuntimeError, match="ended with exit code"):
        freethreaded.run([partial(jobs.pi_sum, 10**9)], "serial", python=sys.executable)


def test_only_a_python_without_a_gil_is_found(monkeypatch):
    monkeypatch.setenv("HELPERS_FREE_THREADED", sys.executable)
    if HAS_NO_GIL:
        assert freethreaded.find() == sys.executable
    else:
        assert freethreaded.find() != sys.executable


def test_what_is_no_python_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HELPERS_FREE_THREADED", str(tmp_path / "none"))
    assert freethreaded.find() == (sys.executable if HAS_NO_GIL else None)
    assert ("free-threaded Python" in freethreaded.lacks()) == (not HAS_NO_GIL)


def test_any_that_says_it_has_no_gil_is_found(monkeypatch):
    """The interpreter that runs this stands in: it answers as one without a GIL would."""
    monkeypatch.setattr(freethreaded, "_ASK", "import sys; print(1, sys.executable)")
    assert freethreaded.find() == sys.executable
    assert freethreaded.lacks() == ""


@pytest.mark.skipif(not freethreaded.find(), reason=freethreaded.lacks() or "found")
@pytest.mark.skipif(machine.cores() < 2, reason="needs two cores")
def test_threads_without_a_gil_keep_two_cores_busy():
    python = freethreaded.find()
    trace = measure.again(
        lambda: freethreaded.run([jobs.pi_sum] * 8, "threads", 2, python=python),
        lambda trace: trace.peak_cores_busy >= 1.5,
        seconds=10,
    )
    assert trace.peak_cores_busy >= 1.5
