"""What this computer has, what it lacks, and a health check whose complaints carry a remedy."""

import multiprocessing
import os
import platform
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest

from helpers import children, machine

GIBIBYTE = 2**30


def printed(program):
    """Run a program in a Python of its own and return what it prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    """A container whose limits are files of our own."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_OWN_CGROUP", tmp_path / "own")
    (tmp_path / "own").write_text("0::/\n")
    return tmp_path


def limit(cgroup, folder, **files):
    """Write files of limits into a folder below the top of the cgroups; "cpu_max" is the file cpu.max."""
    (cgroup / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (cgroup / folder / name.replace("_", ".", 1)).write_text(f"{content}\n")


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


@pytest.fixture
def many_cores(monkeypatch):
    """A computer with 64 cores, all of which this process may use."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


V1 = "9:memory:/m/n\n8:pids:/p\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a\n0::/elsewhere\n"


@pytest.mark.parametrize(
    ("own", "quotas", "cores"),
    [
        ("0::/a/b/c\n", {"a/b/c": "300000 100000"}, 3),
        ("0::/a/b/c\n", {"a": "200000 100000", "a/b": "max 100000", "a/b/c": "400000 100000"}, 2),
        ("0::/a/b/c\n", {"a": "400000 100000", "a/b": "150000 100000"}, 2),
        ("0::/a/b/c\n", {"": "500000 100000"}, 5),
        ("0::/a/b/c\n", {"a/b/d": "100000 100000", "x": "100000 100000"}, 64),
        ("0::/outside/only\n", {"": "500000 100000"}, 5),
        ("0::/../../a\n", {"": "500000 100000", "a": "100000 100000"}, 5),
        ("", {"": "500000 100000"}, 5),
        ("0::/\n", {}, 64),
    ],
)
def test_cores_by_the_limits_of_a_process_s_own_cgroup_and_all_above(cgroup, many_cores, own, quotas, cores):
    (cgroup / "own").write_text(own)
    for folder, quota in quotas.items():
        limit(cgroup, folder, cpu_max=quota)
    assert machine.cores() == cores


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({"cpu/a/b": 300_000}, 3),
        ({"cpu/a/b": 300_000, "cpu/a": 150_000}, 2),
        ({"cpu/a/b": -1, "cpu": 50_000}, 1),
        ({"cpu/a/b": -1, "cpu/a/c": 100_000, "memory/a/b": 100_000}, 64),
    ],
)
def test_cores_by_cgroups_of_version_1(cgroup, many_cores, quotas, cores):
    (cgroup / "own").write_text(V1)
    for folder, quota in quotas.items():
        limit(cgroup, folder, cpu_cfs_quota_us=quota, cpu_cfs_period_us=100_000)
    assert machine.cores() == cores


def test_memory_and_processes_by_the_limits_of_cgroups(cgroup):
    (cgroup / "own").write_text("0::/a/b\n")
    limit(cgroup, "a", memory_max=5_000_000, memory_current=4_500_000, pids_max=70)
    limit(cgroup, "a/b", memory_max=3_000_000, memory_current=1_000_000, pids_max="max")
    assert (machine.memory(), machine.available_memory()) == (3_000_000, 500_000)
    assert machine.limits()["pids.max"] == 70


def test_memory_and_processes_by_cgroups_of_version_1(cgroup):
    (cgroup / "own").write_text(V1)
    limit(cgroup, "memory/m", memory_limit_in_bytes=5_000_000, memory_usage_in_bytes=4_500_000)
    limit(cgroup, "memory/m/n", memory_limit_in_bytes=2**63 - 4096, memory_usage_in_bytes=1_000_000)
    limit(cgroup, "pids/p", pids_max=70)
    assert (machine.memory(), machine.available_memory()) == (5_000_000, 500_000)
    assert machine.limits()["pids.max"] == 70


def test_cores_of_a_process_in_a_real_cgroup():
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    folder = Path("/sys/fs/cgroup", "" if version_2 else "cpu", f"helpers-test-{os.getpid()}")
    quota = {"cpu.max": "100000 100000"} if version_2 else {"cpu.cfs_quota_us": "100000"}
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        try:
            for name, text in quota.items():
                (folder / name).write_text(text)
            join = f"open({str(folder / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid()))"
            printed(join)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no limit can be set on a cgroup here: {error}")
        assert printed(f"{join}; from helpers import machine; print(machine.cores())") == "1"
    finally:
        folder.rmdir()


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
    assert bool(machine.lacks(signals=True)) == (sys.platform == "win32")
    has = machine.lacks(cores_needed=machine.cores(), start_method=start_method, with_gil=machine.gil())
    assert has == ""


def test_what_is_lacking_is_said(monkeypatch):
    have = machine.cores()
    assert machine.lacks(cores_needed=have + 1) == f"needs {have + 1} cores, this process may use {have}"
    assert machine.lacks(address="127.0.0.1") == ""
    assert machine.lacks(address="192.0.2.1") == "needs the address 192.0.2.1"
    assert machine.lacks(system="Plan 9") == "needs Plan 9"
    assert machine.lacks(system=platform.system()) == ""
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


def test_a_thread_a_program_a_lock_a_process_and_a_port_are_to_be_had():
    """What the rest of these tests need as well."""
    assert [check.found for check in machine.health()[-5:] if not check.ok] == []


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


COMPLAIN = "from helpers import machine; print(*[c for c in machine.health() if not c.ok], sep='\\n')"


def complaints(environment, *prefix):
    """Return the lines of what is not well, in a Python of its own, and what it says of processes there."""
    env = {**os.environ, **environment}
    command = [*prefix, sys.executable, "-c"]
    run = "from helpers import jobs, ways; ways.run([jobs.pi_sum], 'processes')"
    tried = subprocess.run([*command, run], env=env, capture_output=True, text=True, timeout=60)
    done = subprocess.run([*command, COMPLAIN], env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line and line[5:10] not in ("cores", "memor")]
    return lines, tried


@pytest.mark.skipif(children.default_start_method() != "forkserver", reason="needs a server of forks")
def test_a_temporary_folder_with_too_long_a_name_is_reported(tmp_path):
    """The path of a socket has about a hundred characters at most."""
    folder = tmp_path / ("x" * (95 - len(str(tmp_path))) or "x")
    folder.mkdir()
    lines, tried = complaints({"TMPDIR": str(folder)})
    if not tried.returncode:  # a newer Python puts its sockets elsewhere then
        assert lines == []
        return
    [line] = lines
    assert tried.stderr.splitlines()[-1] == "OSError: AF_UNIX path too long"
    assert line.startswith("LOOK a process ")
    assert line.endswith("OSError: AF_UNIX path too long -> set TMPDIR to a folder with a short name, "
                         "such as /tmp, and start again")  # fmt: skip


@pytest.mark.parametrize(
    "mount", ["mount -t tmpfs -o ro none /dev/shm", "mount -t tmpfs none /dev && mkdir /dev/fd"]
)
def test_shared_memory_that_cannot_be_written_is_reported(mount):
    shell = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" "$@"']
    try:
        subprocess.run([*shell, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    lines, tried = complaints({}, *shell)
    assert tried.returncode == 1
    assert [line[:11] for line in lines] == ["LOOK a lock", "LOOK a proc"]
    assert lines[0].endswith(
        " -> let this process write to /dev/shm, which holds the locks that processes share"
    )


def test_a_wrong_start_method_is_reported():
    lines, tried = complaints({"HELPERS_START_METHOD": "magic"})
    assert tried.returncode == 1
    assert [line[:11] for line in lines] == ["LOOK a lock", "LOOK a proc"]
    assert {line.partition(" -> ")[2].partition(",")[0] for line in lines} == {
        "unset the variable HELPERS_START_METHOD"
    }


def test_too_few_cores_and_too_little_memory_are_reported(cgroup):
    (cgroup / "cpu.max").write_text("50000 100000\n")
    (cgroup / "memory.max").write_text(f"{GIBIBYTE}\n")
    checks = {check.name: check for check in machine.health()}
    assert str(checks["cores"]).startswith("LOOK cores ")
    assert "allow this process two cores" in str(checks["cores"])
    assert "1.0 GiB -> close other programs" in str(checks["memory"])
