"""What this computer has, what it lacks, and a health check whose complaints carry a remedy."""

import multiprocessing
import os
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest

from helpers import machine

GIBIBYTE = 2**30


def printed(program):
    """Run a program in a Python of its own and return what it prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    """A container whose limits are files of our own."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    return tmp_path


def test_cores_are_some_of_those_of_the_computer():
    assert 1 <= machine.cores() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be tied to a core here")
def test_cores_of_a_process_that_is_tied_to_one():
    tie = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert printed(f"{tie}; from helpers import machine; print(machine.cores())") == "1"


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("20000 100000", 1),
        ("50000 25000", 2),
        ("800000 100000", 8),
    ],
)
def test_cores_of_a_container_with_a_share(cgroup, monkeypatch, limit, most):
    without = machine.cores()
    (cgroup / "cpu.max").write_text(f"{limit}\n")
    assert machine.cores() == min(without, most)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
        assert machine.cores() == most


def test_cores_of_a_container_without_a_limit(cgroup):
    without = machine.cores()
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert machine.cores() == without


def test_memory_is_some_of_that_of_the_computer():
    assert GIBIBYTE / 4 < machine.memory() <= psutil.virtual_memory().total


@pytest.mark.parametrize(("limit", "expected"), [("1073741824", GIBIBYTE), ("max", None), ("9" * 19, None)])
def test_memory_of_a_container(cgroup, limit, expected):
    (cgroup / "memory.max").write_text(f"{limit}\n")
    assert machine.memory() == (expected or psutil.virtual_memory().total)


def test_gil_of_an_ordinary_and_of_a_free_threaded_interpreter(monkeypatch):
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert machine.gil() is True
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert machine.gil() is False
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert machine.gil() is True


@pytest.mark.parametrize("start_method", [None, *multiprocessing.get_all_start_methods()])
def test_nothing_is_lacking(start_method):
    assert machine.lacks() == ""
    has = machine.lacks(cores_needed=machine.cores(), start_method=start_method, with_gil=machine.gil())
    assert has == ""


def test_what_is_lacking_is_said(monkeypatch):
    have = machine.cores()
    assert machine.lacks(cores_needed=have + 1) == f"needs {have + 1} cores, this process may use {have}"
    assert machine.lacks(start_method="magic") == "this system cannot start processes by magic"
    monkeypatch.setattr(machine, "gil", lambda: True)
    assert machine.lacks(with_gil=False) == "needs a free-threaded interpreter"
    monkeypatch.setattr(machine, "gil", lambda: False)
    assert machine.lacks(with_gil=True) == "needs an interpreter with the GIL"


def test_limits_are_numbers():
    limits = machine.limits()
    assert set(limits) <= {"pids.max", "pid_max", "threads-max", "RLIMIT_NPROC", "RLIMIT_NOFILE"}
    assert all(isinstance(limit, int) and limit >= 0 for limit in limits.values())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux shows this limit as a file")
def test_limits_of_the_kernel():
    assert machine.limits()["pid_max"] == int(Path("/proc/sys/kernel/pid_max").read_text())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_limits_of_the_process():
    lower = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (99, r.getrlimit(r.RLIMIT_NOFILE)[1]))"
    assert printed(f"{lower}; from helpers import machine; print(machine.limits()['RLIMIT_NOFILE'])") == "99"


def test_limits_of_a_container(cgroup):
    (cgroup / "pids.max").write_text("max\n")
    assert "pids.max" not in machine.limits()
    (cgroup / "pids.max").write_text("99\n")
    assert machine.limits()["pids.max"] == 99


def test_available_memory_is_some_of_it(cgroup):
    assert 0 < machine.available_memory() <= machine.memory()
    (cgroup / "memory.max").write_text("1000000\n")
    (cgroup / "memory.current").write_text("400000\n")
    assert machine.available_memory() == 600_000
    (cgroup / "memory.current").write_text("1000001\n")
    assert machine.available_memory() == 0


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_capacity_is_bounded_by_memory_and_the_limits(kind):
    capacity = machine.capacity(kind, 10_000_000)
    assert "memory" in capacity.bounds
    assert set(capacity.bounds) <= {"memory", *machine.limits()}
    assert ("RLIMIT_NOFILE" in capacity.bounds) == (kind == "processes" and sys.platform != "win32")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_capacity_names_what_is_reached_first(monkeypatch):
    limits = {"pid_max": 1000, "RLIMIT_NOFILE": 10**6}
    monkeypatch.setattr(machine, "limits", lambda: dict(limits))
    monkeypatch.setattr(machine, "available_memory", lambda: GIBIBYTE)
    monkeypatch.setattr(machine, "_threads_running", lambda: 900)
    monkeypatch.setattr(psutil.Process, "num_fds", lambda _: 10, raising=False)
    few, many = machine.capacity("processes", GIBIBYTE // 5), machine.capacity("processes", 1)
    assert (few.number, few.cause) == (5, "memory")
    assert (many.number, many.cause) == (100, "pid_max")
    limits["RLIMIT_NOFILE"] = 111
    assert machine.capacity("processes", 1).cause == "RLIMIT_NOFILE"
    assert machine.capacity("processes", 1).number == 50
    assert machine.capacity("threads", 1).cause == "pid_max"
    limits["pid_max"] = 500
    assert machine.capacity("threads", 1).number == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_process_costs_its_master_two_open_files():
    """What ``capacity`` counts with."""
    program = """
import multiprocessing, psutil
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    barrier, files = context.Barrier(1), []
    for _ in range(3):
        context.Process(target=barrier.wait, daemon=True).start()
        files.append(psutil.Process().num_fds())
    print(files[2] - files[1])
    multiprocessing.active_children()
"""
    assert printed(program) == "2"


@pytest.mark.parametrize(
    ("kind", "bytes_each", "complaint"),
    [("cats", 1, "kind: "), ("threads", 0, "bytes_each: "), ("threads", 1.5, "bytes_each: ")],
)
def test_capacity_refuses(kind, bytes_each, complaint):
    with pytest.raises(ValueError, match=complaint):
        machine.capacity(kind, bytes_each)


def test_the_health_check_is_a_line_for_each_thing():
    for check in machine.health():
        assert "\n" not in str(check)
        assert check.found in str(check)
        assert str(check).startswith("ok " if check.ok else "LOOK ")


def test_a_thread_a_program_a_process_and_a_port_are_to_be_had():
    """What the rest of these tests need as well."""
    assert [check.found for check in machine.health()[-4:] if not check.ok] == []


def test_a_failed_attempt_is_one_line_with_its_remedy(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def bind_a_port_that_is_taken():
            socket.create_server(taken.getsockname()).close()
            return "it was free"

        monkeypatch.setattr(machine, "_ATTEMPTS", [("a port", bind_a_port_that_is_taken, "close the other")])
        failed = machine.health()[-1]
    assert not failed.ok
    assert str(failed).startswith("LOOK a port ")
    assert "OSError: " in str(failed)
    assert str(failed).endswith(" -> close the other")


def test_too_few_cores_and_too_little_memory_are_reported(cgroup):
    (cgroup / "cpu.max").write_text("50000 100000\n")
    (cgroup / "memory.max").write_text(f"{GIBIBYTE}\n")
    checks = {check.name: check for check in machine.health()}
    assert str(checks["cores"]).startswith("LOOK cores ")
    assert "allow this process two cores" in str(checks["cores"])
    assert "1.0 GiB -> close other programs" in str(checks["memory"])
