"""This computer, as far as it decides what the experiments can show, and a health check with remedies."""

import multiprocessing
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from helpers import checks

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    It may be fewer than the computer has: the process can be tied to some of them (affinity, as by
    ``taskset``), and a container or a service can be given a share (by its cgroup).
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _cgroups("cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:  # version 1 of cgroups has a file for each
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            allowed = min(allowed, -(-int(quota) // int(period)))
    return max(1, allowed)


def memory() -> int:
    """Return the bytes of memory that this process may use: the computer's, or its container's share."""
    total: int = psutil.virtual_memory().total
    return min([total, *(limit for limit, _ in _memory_limits())])


def gil() -> bool:
    """Tell whether this interpreter has a global interpreter lock that is switched on."""
    enabled: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return enabled() if enabled else True


def lacks(
    *,
    cores_needed: int = 1,
    start_method: str | None = None,
    with_gil: bool | None = None,
    program: str = "",
    address: str = "",
    signals: bool = False,
    system: str = "",
) -> str:
    """Say in a few words what this computer lacks of what is needed; "" when it has everything.

    For the ``needs`` of a claim. ``program`` is the name of a command, such as curl; ``address`` is one at
    which this computer can listen, such as 127.0.0.2 on Linux and Windows; ``signals`` are those that one
    program sends to another and that can be handled there; ``system`` is the name of an operating system, as
    ``platform.system`` gives it, such as Windows.
    """
    if cores() < cores_needed:
        return f"needs {cores_needed} cores, this process may use {cores()}"
    if start_method and start_method not in multiprocessing.get_all_start_methods():
        return f"this system cannot start processes by {start_method}"
    if with_gil is not None and with_gil != gil():
        return "needs an interpreter with the GIL" if with_gil else "needs a free-threaded interpreter"
    if program and not shutil.which(program):
        return f"needs the program {program}"
    if address:
        try:
            socket.create_server((address, 0)).close()
        except OSError:
            return f"needs the address {address}"
    if signals and sys.platform == "win32":
        return "this system sends programs no signal that they could handle"
    if system and system != platform.system():
        return f"needs {system}"
    return ""


def limits() -> dict[str, int]:
    """Return the limits that this system sets on the number of processes, threads and open files.

    Only those that it has and that are set; the names are its own. A container may have "pids.max".
    """
    found = {}
    if most := [int(text) for folder in _cgroups("pids") if (text := _read(folder / "pids.max")).isdigit()]:
        found["pids.max"] = min(most)
    for name, file in (("pid_max", "pid_max"), ("threads-max", "threads-max")):
        text = _read(Path("/proc/sys/kernel") / file)
        if text.isdigit():
            found[name] = int(text)
    if sys.platform != "win32":
        import resource

        for name in ("RLIMIT_NPROC", "RLIMIT_NOFILE"):
            soft, _ = resource.getrlimit(getattr(resource, name))
            if soft != resource.RLIM_INFINITY:
                found[name] = soft
    return found


def available_memory() -> int:
    """Return the bytes of memory that this process could still get without swapping, at least 0."""
    available: int = psutil.virtual_memory().available
    return max(0, min([available, *(limit - used for limit, used in _memory_limits())]))


@dataclass(frozen=True)
class Capacity:
    """How many more workers would fit, by each bound; computed, not tried."""

    bounds: dict[str, int]

    @property
    def number(self) -> int:
        """The number that would fit: the least of the bounds."""
        return min(self.bounds.values())

    @property
    def cause(self) -> str:
        """The name of the bound that is reached first."""
        return min(self.bounds, key=self.bounds.__getitem__)


def capacity(kind: str, bytes_each: int) -> Capacity:
    """Return how many more idle workers of that many bytes this computer could hold.

    ``kind`` is "processes" or "threads". The bounds are "memory" and those of ``limits``, less what is in
    use now: the system counts every thread, and a process of ``multiprocessing`` costs its master two open
    files. Others that the system does not tell may come first; its administrator may be free of some.
    Raises ValueError for another kind, or for fewer bytes than one.
    """
    if kind not in ("processes", "threads"):
        raise ValueError(f"kind: expected 'processes' or 'threads', got {kind!r}")
    checks.whole(bytes_each=bytes_each)
    left = limits()
    files = left.pop("RLIMIT_NOFILE", None)
    running = _threads_running() if left else 0
    bounds = {"memory": available_memory() // bytes_each}
    bounds |= {name: max(0, limit - running) for name, limit in left.items()}
    if sys.platform != "win32" and files is not None and kind == "processes":
        bounds["RLIMIT_NOFILE"] = max(0, files - psutil.Process().num_fds()) // 2
    return Capacity(bounds)


def _threads_running() -> int:
    """Return the number of threads of all processes; one for a process that does not tell."""
    return sum(process.info["num_threads"] or 1 for process in psutil.process_iter(["num_threads"]))


@dataclass(frozen=True)
class Check:
    """One line of the health check: what was looked at, whether it will do, what was found, what to do."""

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return the check as one line."""
        line = f"{'ok  ' if self.ok else 'LOOK'} {self.name:<18} {self.found}"
        return line if self.ok else f"{line} -> {self.remedy}"


def health() -> list[Check]:
    """Look at everything that the notebooks need, and return a check for each."""
    version = platform.python_version()
    return [
        Check("Python", sys.version_info >= (3, 11), f"{platform.python_implementation()} {version}",
              "install Python 3.11 or later, delete .venv, and run run.py again"),
        Check("operating system", True, platform.platform(terse=True)),
        Check("cores", cores() >= 2, f"{cores()} of {os.cpu_count()} may be used",
              "allow this process two cores, or read on: the claims that need two will say so"),
        Check("memory", memory() >= 2**31, f"{memory() / 2**30:.1f} GiB",
              "close other programs, or start JupyterLab where it may use 2 GiB"),
        Check("GIL", True, "yes" if gil() else "no: a free-threaded interpreter"),
        Check("start methods", True, ", ".join(multiprocessing.get_all_start_methods())),
        *(_tried(name, attempt, remedy) for name, attempt, remedy in _ATTEMPTS),
    ]  # fmt: skip


def _tried(name: str, attempt: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, attempt())
    except Exception as error:
        found = " ".join(f"{type(error).__name__}: {error}".split())
        return Check(
            name, False, found, next((todo for words, todo in _KNOWN.items() if words in found), remedy)
        )


def _start_thread() -> str:
    done = threading.Event()
    thread = threading.Thread(target=done.set)
    thread.start()
    thread.join(10)
    if not done.is_set():
        raise TimeoutError("it did not run within ten seconds")
    return "a thread started and ended"


def _start_program() -> str:
    command = [sys.executable, "-c", "import helpers"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return "a second Python started and found the helpers"


def _make_lock() -> str:
    from helpers import children  # only here, as it takes a while to import

    multiprocessing.get_context(children.default_start_method()).Lock()
    return "a lock that processes share was made"


def _start_process() -> str:
    from helpers import children, ways  # only here, as they take a while to import

    ways.run([os.getpid], "processes").raise_for_errors()
    return f"a process started by {children.default_start_method()}, and did a job"


def _bind_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
        return "a port on this machine was opened and reached"


_SHARED = "let this process write to /dev/shm, which holds the locks that processes share"
_KNOWN = {  # words of errors, and their remedy whatever was tried
    "/dev/shm": _SHARED,
    "HELPERS_START_METHOD": "unset the variable HELPERS_START_METHOD, or set it to one of these",
    "AF_UNIX path too long": "set TMPDIR to a folder with a short name, such as /tmp, and start again",
    "No usable temporary directory": "set TMPDIR to a folder that can be written to, and start again",
}
_ATTEMPTS: list[tuple[str, Callable[[], str], str]] = [
    ("a thread", _start_thread, "raise the limit on threads (ulimit -u), or close other programs"),
    ("a program", _start_program, "start JupyterLab with: python3 run.py lab"),
    ("a lock", _make_lock, _SHARED),
    ("a process", _start_process, "allow Python to start processes in your security software, then restart"),
    ("a port", _bind_port, "allow Python to connect to 127.0.0.1 in your firewall or security software"),
]


def _cgroups(controller: str) -> list[Path]:
    """Return the folders with the limits on this process: its own cgroup's, and those of all that it is in.

    Version 2 of cgroups has one tree of folders, version 1 has one for each controller, such as "cpu". A
    container may be told where its folder is outside of it; inside, the top of the tree is its own.
    """
    folders = []
    for line in _read(_OWN_CGROUP).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            own = PurePosixPath(path.lstrip("/"))
            tree = _CGROUP / controller if controllers else _CGROUP
            folders += [tree / part for part in (own, *own.parents) if ".." not in part.parts]
    return folders or [_CGROUP]


def _memory_limits() -> list[tuple[int, int]]:
    """Return each limit in bytes that is set on the memory of this process and others, and what they use."""
    pairs = [
        (_read(folder / limit), _read(folder / used))
        for folder in _cgroups("memory")
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        )
    ]
    return [(int(limit), int(used or "0")) for limit, used in pairs if limit.isdigit()]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
