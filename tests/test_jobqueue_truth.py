"""What goes wrong is told as what it is: one's own trouble never as the other side's death, and in time."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from queue_helpers import GONE, KEY, SOON, Gate, posix, until

from helpers import jobqueue, servers
from helpers.jobqueue.errors import MasterGone, QueueError
from helpers.jobqueue.key import as_key, find_key

limits = pytest.mark.skipif(
    not hasattr(psutil, "RLIMIT_AS"), reason="limits of another process are a thing of Linux"
)


def run(program: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program given as text, in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


# --- A client's own trouble --------------------------------------------------------------------------

FEW_FILES = """
    import resource
    from helpers import jobqueue
    with jobqueue.launch_master() as m, jobqueue.launch_workers(m):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        kept = [m.submit("square", [n]) for n in range(100)]
        print([batch.wait().values[0] for batch in kept] == [n * n for n in range(100)])
        files = []
        try:
            while True:
                files.append(open("/dev/null"))
        except OSError:
            pass
        m._idle.clear()
        try:
            m.stats()
        except jobqueue.QueueError as error:
            print(type(error).__name__, error)
"""


@posix
def test_a_client_without_files_to_open_says_so() -> None:
    done = run(FEW_FILES)
    enough, told = done.stdout.splitlines()
    assert enough == "True", "a hundred batches need no connection each"
    assert told.startswith("QueueError the master cannot be asked (Too many open files): close some"), (
        done.stderr
    )


SHUTTING_DOWN = """
    import threading, time
    from helpers import jobqueue
    m = jobqueue.launch_master()
    w = jobqueue.launch_workers(m)
    def late():
        time.sleep(0.5)
        print(list(m.map("square", [3])))
    threading.Thread(target=late).start()
"""


def test_a_thread_that_goes_on_while_python_shuts_down_is_served() -> None:
    done = run(SHUTTING_DOWN)
    assert (done.stdout, done.stderr) == ("[9]\n", "")


@limits
def test_an_argument_that_the_master_has_no_memory_for_is_told_as_that() -> None:
    with jobqueue.launch_master() as master:
        process = psutil.Process(master.pid)
        most = process.memory_info().vms + 250 * 2**20
        process.rlimit(psutil.RLIMIT_AS, (most, psutil.RLIM_INFINITY))
        with pytest.raises(QueueError, match="has no memory for that") as error:
            master.submit("hash_bytes", [bytes(300 * 2**20)])
        assert not isinstance(error.value, MasterGone)
        with jobqueue.launch_workers(master):
            assert list(master.map("square", [3], timeout=SOON)) == [9]


# --- Odd exceptions of tasks -------------------------------------------------------------------------

ODD = """
import asyncio, os, sys

class Speechless(Exception):
    def __str__(self): raise OSError("no words")

def speechless(_): raise Speechless
def cancelled(_): raise asyncio.CancelledError
def interrupted(_): raise KeyboardInterrupt
def leaves(_): sys.exit(3)
def generator(_): raise GeneratorExit
def broken_pipe(_): raise BrokenPipeError("mine")
def end_of_file(_): raise EOFError("mine")
def mute(_):
    class Mute:
        def __repr__(self): raise SystemExit
    return 7

class Two(Exception):
    def __init__(self, a, b): super().__init__("one argument too few when it is read")

class Acts:
    def __init__(self, how): self.how = how
    def __reduce__(self): return eval, (f"(_ for _ in ()).throw({self.how})",)
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "odd_tasks.py").write_text(ODD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "odd_tasks"


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("speechless", "Speechless"),
        ("cancelled", "CancelledError"),
        ("interrupted", "KeyboardInterrupt"),
        ("leaves", "SystemExit: 3"),
        ("generator", "GeneratorExit"),
        ("broken_pipe", "BrokenPipeError: mine"),
        ("end_of_file", "EOFError: mine"),
    ],
)
def test_whatever_a_task_raises_is_its_error_alone(odd: str, function: str, error: str) -> None:
    with (
        jobqueue.launch_master(attempts=1) as master,
        jobqueue.launch_workers(master, allow=[odd]) as workers,
    ):
        trace = master.run(f"{odd}:{function}", [None], timeout=SOON)
        assert trace.errors[0].startswith(error)
        assert list(master.map("square", [3], timeout=SOON)) == [9]
        assert workers.exit_codes == [None]


@pytest.mark.parametrize(
    "how", ["OSError(5)", "KeyboardInterrupt()", "SystemExit()", "MemoryError()", "EOFError()"]
)
def test_what_reading_an_argument_does_is_this_task_s_error(odd: str, how: str) -> None:
    import odd_tasks  # type: ignore[import-not-found]

    with jobqueue.launch_master(attempts=1) as master, jobqueue.launch_workers(master) as workers:
        trace = master.run("square", [odd_tasks.Acts(how), 3], timeout=SOON)
        assert how.partition("(")[0] in trace.errors[0]
        assert trace.values[1] == 9
        assert workers.exit_codes == [None]


def test_an_argument_that_cannot_be_read_does_not_hide_a_time_out(odd: str) -> None:
    import odd_tasks

    out = r"1 tasks still out \(square\(\.\.\.\)\)"
    with jobqueue.launch_master() as master, pytest.raises(TimeoutError, match=out):
        list(master.map("square", [odd_tasks.Two(1, 2)], timeout=0.5))


# --- Time-outs ---------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("call", ["map", "run", "submit and wait", "submit with a time-out"])
def test_a_call_with_a_time_out_ends_in_time_though_the_master_is_stopped(call: str) -> None:
    with jobqueue.launch_master() as master:
        batch = master.submit("square", [1])
        calls: dict[str, Any] = {
            "map": lambda: list(master.map("square", [2], timeout=1)),
            "run": lambda: master.run("square", [2], timeout=1),
            "submit and wait": lambda: batch.wait(timeout=1),
            "submit with a time-out": lambda: master.submit("square", [2], timeout=1),
        }
        os.kill(master.pid, signal.SIGSTOP)
        assert until(lambda: psutil.Process(master.pid).status() == psutil.STATUS_STOPPED)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            calls[call]()
        assert time.monotonic() - began < 1 + 1
        os.kill(master.pid, signal.SIGCONT)


STOPPED = """
    import os, signal, sys
    from helpers import jobqueue
    client = jobqueue.Client("127.0.0.1", int(sys.argv[1]), sys.argv[2])
    batch = client.submit("square", [3])
    client.task_queue.put(3)
    os.kill(client.pid, signal.SIGSTOP)
    print("leaving", flush=True)
"""


@posix
def test_a_client_whose_master_is_stopped_can_exit() -> None:
    with jobqueue.launch_master(key=KEY) as master:
        began = time.monotonic()
        done = run(STOPPED, str(master.port), KEY)
        assert done.stdout == "leaving\n", done.stderr
        assert time.monotonic() - began < 5
        os.kill(master.pid, signal.SIGCONT)


@posix
def test_a_master_that_was_stopped_blames_no_worker(gate: Gate) -> None:
    """It has heard no heartbeats meanwhile, and knows that this was its own doing."""
    with jobqueue.launch_master(lease=0.4, attempts=1) as master, jobqueue.launch_workers(master):
        batch = master.submit("fetch", [gate.url])
        gate.reached()
        os.kill(master.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(master.pid, signal.SIGCONT)
        assert master.stats().in_work == 1
        gate.open()
        assert batch.wait(SOON).errors == {}
        assert master.stats().shelved == 0


# --- A master with a shortage -------------------------------------------------------------------------


def few_files(master: psutil.Process) -> tuple[int, int]:
    return psutil.RLIMIT_NOFILE, master.num_fds() + 8


def no_threads(master: psutil.Process) -> tuple[int, int]:
    """Leave it memory for a few stacks: there are no more threads than that."""
    return psutil.RLIMIT_AS, master.memory_info().vms + 100 * 2**20


@limits
@pytest.mark.parametrize("shortage", [few_files, no_threads])
def test_a_master_that_has_no_place_for_a_visitor_says_so_and_lets_others_in_again(shortage: Any) -> None:
    with jobqueue.launch_master(key=KEY) as master, jobqueue.launch_workers(master):
        process = psutil.Process(master.pid)
        limit, most = shortage(process)
        before = process.rlimit(limit)
        process.rlimit(limit, (most, before[1]))
        with contextlib.ExitStack() as visitors:
            with pytest.raises(QueueError, match="can take no more visitors now: try again later") as told:
                _crowd(master, visitors)
            assert not isinstance(told.value, MasterGone)
        process.rlimit(limit, before)
        assert until(lambda: _can_visit(master))
        assert list(master.map("square", [3], timeout=SOON)) == [9]


def _crowd(master: jobqueue.Master, visitors: contextlib.ExitStack) -> None:
    for _ in range(200):
        visitors.enter_context(jobqueue.Client(master.host, master.port, KEY))


def _can_visit(master: jobqueue.Master) -> bool:
    try:
        with jobqueue.Client(master.host, master.port, KEY) as visitor:
            return bool(visitor.stats())
    except QueueError:
        return False


# --- A task that keeps the GIL ------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info >= (3, 13) and not sys._is_gil_enabled(), reason="there is no GIL")
def test_a_task_that_keeps_the_gil_for_longer_than_a_lease_is_told_of_the_gil() -> None:
    with jobqueue.launch_master(lease=0.2, attempts=1) as master, jobqueue.launch_workers(master):
        (error,) = master.submit("square", [7**2_000_000]).wait(SOON).errors.values()
        assert "sent no heartbeat for 0.2 s" in error
        assert "its task kept the GIL" in error


# --- Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port"),
    [("a#b", 1), ("", 1), ("\0", 1), ("x" * 300, 1), ("a..b", 1), ("127.0.0.1", 70_000), ("127.0.0.1", -1)],
)
def test_an_address_that_is_none_is_named(host: str, port: int) -> None:
    with pytest.raises(jobqueue.NobodyThere, match="nothing answers at"):
        jobqueue.Client(host, port, KEY)


# --- Ends ---------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_a_master_takes_its_key_file_with_it(name: str) -> None:
    env = {key: value for key, value in os.environ.items() if key != "JOBQUEUE_KEY"}
    command = [sys.executable, "-m", "helpers.jobqueue.master"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env) as master:
        assert master.stdout
        assert master.stderr
        file = Path(master.stderr.readline().split()[5].rstrip(":"))
        master.stdout.readline()
        assert file.stat().st_mode & 0o077 == 0
        master.send_signal(getattr(signal, name))
        assert master.wait(SOON) == 0
        assert not file.exists()


def test_many_threads_of_a_client_need_few_connections_afterwards() -> None:
    with jobqueue.launch_master() as master:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: master.stats(), range(200)))
        assert len(psutil.Process().net_connections("tcp4")) < 10


@pytest.mark.parametrize(
    "noise",
    [
        {"PYTHONWARNINGS": "ignore::not_there.Warning"},
        {"PYTHONPROFILEIMPORTTIME": "1"},
        {"LD_PRELOAD": "/not_there.so"},
        {"PYTHONVERBOSE": "1"},
        {"PYTHONDEVMODE": "1"},
    ],
    ids=lambda noise: next(iter(noise)),
)
def test_noise_keeps_nobody_from_being_heard(noise: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in noise.items():
        monkeypatch.setenv(name, value)
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master):
        assert list(master.map("square", [3], timeout=SOON)) == [9]
    with servers.slow(delay=0) as url:
        assert url.startswith("http://")
    with servers.mail() as server:
        assert server.mails() == []


# --- What a client leaves ----------------------------------------------------------------------------

LEAVES = """
    import os, sys
    from helpers import jobqueue
    client = jobqueue.Client("127.0.0.1", int(sys.argv[1]), sys.argv[2])
    batch = client.submit("pi_digits", [1000] * 1000)
    print(client.stats().waiting, flush=True)
    os.kill(os.getpid(), 9)
"""


@posix
def test_the_tasks_of_a_client_that_is_killed_are_forgotten_within_a_lease() -> None:
    with jobqueue.launch_master(key=KEY, lease=1) as master:
        assert run(LEAVES, str(master.port), KEY).stdout == "1000\n"
        assert until(lambda: master.stats().waiting == 0, within=1 + GONE)


def test_a_batch_that_is_dropped_is_forgotten_at_once() -> None:
    with jobqueue.launch_master() as master:
        values = master.map("square", range(5000))
        batch = master.submit("square", range(5000))
        assert master.stats().waiting == 10_000
        del values, batch
        assert until(lambda: master.stats().waiting == 0, within=GONE)


# --- An orderly end ----------------------------------------------------------------------------------


def test_a_worker_that_is_stopped_gives_back_what_it_has_in_hand(gate: Gate) -> None:
    with jobqueue.launch_master(attempts=1) as master:
        with jobqueue.launch_workers(master, 1):
            batch = master.submit("fetch", [gate.url])
            gate.reached()
        stats = master.stats()
        assert (stats.waiting, stats.in_work, stats.shelved) == (1, 0, 0)
        with jobqueue.launch_workers(master, 1):
            gate.reached().open()
            assert batch.wait(SOON).values == [3]


# --- Keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["one key", b"one key", "one key\n", b"one key\r\n", b"\xef\xbb\xbfone key", "\ufeffone key",
            "one key".encode("utf-16")],
)  # fmt: skip
def test_a_key_is_the_same_however_it_is_given(key: str | bytes) -> None:
    assert as_key(key) == b"one key"


@pytest.mark.parametrize("key", ["", " \n", b""])
def test_an_empty_key_is_refused(key: str | bytes) -> None:
    with pytest.raises(ValueError, match="key: expected one of at least one character"):
        as_key(key)


@pytest.mark.parametrize("key", [None, 5, ["a"]])
def test_a_key_of_another_kind_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="key: expected text or bytes"):
        as_key(key)


@pytest.mark.parametrize("content", [b"one key\n", b"\xef\xbb\xbfone key\r\n", "one key\n".encode("utf-16")])
def test_a_key_file_is_read_by_the_same_rule(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert find_key(str(file)) == b"one key"
    with pytest.warns(UserWarning, match="can be guessed"):
        master = jobqueue.launch_master(key=b"one key")
    with master:
        assert jobqueue.Client(master.host, master.port, file.read_bytes()).pid == master.pid
