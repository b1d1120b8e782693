"""The job queue from outside: real programs, real connections on this computer, every exit code and line."""

import contextlib
import gc
import json
import multiprocessing
import os
import pickle
import secrets
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import jobqueue, programs
from helpers.jobqueue import functions, worker
from helpers.jobqueue.protocol import KEY_VARIABLE, Result, Task
from helpers.traces import Span, Worker

KEY = "a key that nobody may see"
HERE = "127.0.0.1"
SOON = 20  # seconds within which anything happens, on a very busy computer
GONE = 2  # seconds that a program of ours may outlive its master, its input or its user
ARTICLE = Path(__file__).parent / "article"

posix = pytest.mark.skipif(os.name != "posix", reason="signals to another program are a thing of POSIX")
Start = Callable[..., subprocess.Popen[str]]


# --- What the tests share ----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_key_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program as a user would, its output and its errors apart; it is ended with the test."""
    with contextlib.ExitStack() as started:

        def start(program: str, *arguments: object, key: str | None = KEY) -> subprocess.Popen[str]:
            command = ["-m", f"helpers.jobqueue.{program}"] if program in ("master", "worker") else [program]
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                [sys.executable, *command, *map(str, arguments)],
                env=os.environ | ({KEY_VARIABLE: key} if key is not None else {}),
                stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8",
            )  # fmt: skip
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


@pytest.fixture
def master() -> Iterator[jobqueue.Master]:
    with jobqueue.launch_master(key=KEY) as master:
        yield master


@pytest.fixture(scope="module")
def pair() -> Iterator[jobqueue.Master]:
    """Return a master with two workers, for tests that do them no lasting harm."""
    with jobqueue.launch_master(key=KEY) as master:
        with jobqueue.launch_workers(master, 2):
            yield master
        master.stop()
        assert master._program.stdout.read() == "", "a master says nothing but its first line"


@pytest.fixture
def connected(start: Start, master: jobqueue.Master) -> Callable[..., subprocess.Popen[str]]:
    """Start a worker of the master and wait until it is connected."""

    def connected(*arguments: str) -> subprocess.Popen[str]:
        process = start("worker", "--host", HERE, "--port", master.port, *arguments)
        assert programs.first_line(process) == f"connected to {HERE}:{master.port}"
        return process

    return connected


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a master's line and return what it says."""
    line: dict[str, Any] = json.loads(programs.first_line(process))
    return line


def ended(process: subprocess.Popen[str], within: float = SOON) -> tuple[int, str, str]:
    """Wait until a program has ended by itself; return its exit code, the rest of its output, its errors."""
    assert process.stdout
    assert process.stderr
    return process.wait(within), process.stdout.read(), process.stderr.read()


def until(happened: Callable[[], object], within: float = SOON) -> bool:
    """Look until something has happened; False when it has not within the time."""
    end = time.monotonic() + within
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def one_line(text: str, *words: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text and all(word in text for word in words)


class Gate:
    """A web server that lets a ``fetch`` wait: a test sees the task at work, and says when it is done."""

    def __init__(self) -> None:
        self.socket = socket.create_server((HERE, 0))
        self.socket.settimeout(SOON)
        self.url = f"http://{HERE}:{self.socket.getsockname()[1]}/"

    def reached(self) -> "Gate":
        self.visitor, _ = self.socket.accept()
        self.visitor.recv(65536)
        return self

    def open(self) -> None:
        self.visitor.sendall(b"HTTP/1.0 200 OK\r\n\r\nabc")
        self.visitor.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    with gate.socket:
        yield gate


def give(master: jobqueue.Master, function: str, argument: Any) -> None:
    master.task_queue.put(Task(("test", 0), function, argument))


def next_span(master: jobqueue.Master) -> Span:
    result = master.result_queue.get(True, SOON)
    assert isinstance(result, Result)
    assert result.identity == ("test", 0)
    return result.span


# --- Tasks and results, without any program ----------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers(max_value=999) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.binary() | st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
names = st.text() | st.sampled_from(["square", "pi_sum", "pi_digits", "hash_file"])
tasks = st.builds(Task, st.tuples(st.text(), st.integers()), names, values)


@settings(deadline=None)
@given(tasks)
def test_a_task_travels_unchanged(task: Task) -> None:
    again = pickle.loads(pickle.dumps(task))
    assert (type(again), again) == (Task, task)


@settings(deadline=None)
@given(st.tuples(st.text(), st.integers()), values, st.none() | st.text())
def test_a_result_travels_unchanged(identity: tuple[str, int], value: Any, error: str | None) -> None:
    result = Result(identity, Span(0, Worker(1, 2), 0, 1, 2, 3, 0.5, ((1.5, 0.2),), value, error))
    again = pickle.loads(pickle.dumps(result))
    assert (type(again), again) == (Result, result)


@settings(deadline=None)
@given(tasks, st.none() | names)
def test_any_task_has_a_value_or_an_error(task: Task, only: str | None) -> None:
    result = worker.run(task, only)
    assert result.identity == task.identity
    assert (result.span.value is None) != (result.span.error is None)
    if only not in (None, task.function) or task.function not in functions.FUNCTIONS:
        assert result.span.error


# --- The master --------------------------------------------------------------------------------------


def test_master_says_where_it_is_and_nothing_else(start: Start) -> None:
    process = start("master", "--until-stdin-closes")
    line = ready(process)
    assert line == {"host": HERE, "port": line["port"], "pid": process.pid}
    with jobqueue.launch_workers(_Address(line["port"], KEY), 1):  # it serves by now
        assert KEY not in " ".join(psutil.Process(process.pid).cmdline())
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")


class _Address(jobqueue.Master):
    """A master that is known by its address only."""

    def __init__(self, port: int, key: str) -> None:
        self.host, self.port, self.key = HERE, port, key.encode()


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_master_ends_well_when_told(start: Start, name: str) -> None:
    process = start("master")
    ready(process)
    process.send_signal(getattr(signal, name))
    assert ended(process, GONE) == (0, "", "")


@posix
def test_master_that_is_told_again_and_again_says_nothing(start: Start) -> None:
    process = start("master")
    ready(process)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    code, output, errors = ended(process, GONE)
    assert code in (0, -signal.SIGTERM, -signal.SIGINT)  # the last may come when Python is gone already
    assert (output, errors) == ("", "")


@posix
def test_master_listens_when_started_in_the_background_of_a_script(start: Start) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for "command &"
    try:
        process = start("master", "--until-stdin-closes")
    finally:
        signal.signal(signal.SIGINT, before)
    ready(process)
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")


def test_key_from_a_file(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"  {KEY}\n")
    port = ready(start("master", "--key-file", file, key="another, which the file outdoes"))["port"]
    process = start("worker", "--host", HERE, "--port", port, "--key-file", file, key=None)
    assert programs.first_line(process).startswith("connected")


@posix
@pytest.mark.parametrize("key", ["clé π", os.fsdecode(b"\xff\xfe")])
def test_key_may_be_any_bytes(start: Start, key: str) -> None:
    port = ready(start("master", key=key))["port"]
    process = start("worker", "--host", HERE, "--port", port, key=key)
    assert programs.first_line(process).startswith("connected")


def test_new_key_is_in_a_file_that_leaves_with_the_master(start: Start) -> None:
    process = start("master", "--until-stdin-closes", key=None)
    port = ready(process)["port"]
    said = process.stderr.readline()
    file = Path(said.removeprefix("a new key is in ").split(": give it")[0])
    key = file.read_text()
    assert len(bytes.fromhex(key)) == 32
    assert key not in said
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert jobqueue.connect(HERE, port, key.encode())
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")
    assert not file.exists()


def test_key_is_in_no_repr(master: jobqueue.Master) -> None:
    with jobqueue.launch_workers(master) as workers:
        shown = repr([master, vars(master), workers, vars(workers), vars(master._program)])
    assert KEY not in shown.replace(repr(master.key), "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "{taken}"], ["{taken}", "--port"]),
        (["--port", "99999"], ["99999", "--port"]),
        (["--host", "192.0.2.1"], ["192.0.2.1"]),
        (["--host", "x" * 70], ["x" * 70]),
        (["--key-file", "no such file"], ["no such file"]),
        (["--key-file", os.devnull], ["empty"]),
    ],
)
def test_master_that_cannot_serve_says_why_in_a_line(
    start: Start, arguments: list[str], words: list[str]
) -> None:
    with socket.create_server((HERE, 0)) as other:
        taken = str(other.getsockname()[1])
        arguments, words = (
            [text.replace("{taken}", taken) for text in texts] for texts in (arguments, words)
        )
        code, output, errors = ended(start("master", *arguments))
    assert (code, output) == (2, "")
    assert one_line(errors, "master: ", *words)


@pytest.mark.parametrize(
    "command",
    [
        "master --port five",
        "master 5000",
        "worker",
        "worker --host h --port p",
        "worker --host h --port 1 --function rm",
        "worker --host h --port 1 --function pi_sum --plain",
    ],
)
def test_usage_errors(start: Start, command: str) -> None:
    code, output, errors = ended(start(*command.split()))
    assert (code, output) == (2, "")
    assert errors.startswith("usage: python -m helpers.jobqueue.")
    assert "Traceback" not in errors


def _many_visits(
    visit: Callable[[socket.socket], object], times: int = 1
) -> Callable[[int], list[socket.socket]]:
    def visits(port: int) -> list[socket.socket]:
        sockets = [socket.create_connection((HERE, port), SOON) for _ in range(times)]
        for connection in sockets:
            visit(connection)
        return sockets

    return visits


def _wrong_keys(port: int) -> list[socket.socket]:
    for _ in range(50):
        with pytest.raises(jobqueue.KeyRefused):
            jobqueue.connect(HERE, port, secrets.token_bytes(8))
    return []


@pytest.mark.parametrize(
    "visit",
    [
        _many_visits(lambda connection: connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 20),
        _many_visits(lambda connection: connection.sendall(secrets.token_bytes(5000)), 20),
        _many_visits(lambda connection: connection.sendall(struct.pack("!i", 2**31 - 1)), 20),
        _many_visits(lambda connection: connection.sendall(struct.pack("!iQ", -1, 2**62)), 20),
        _many_visits(lambda connection: connection.recv(1), 50),
        _many_visits(lambda connection: connection.shutdown(socket.SHUT_WR), 20),
        _many_visits(lambda connection: connection.close(), 100),
        _wrong_keys,
    ],
    ids=["web", "garbage", "huge", "very huge", "silent", "half-closed", "open and close", "wrong keys"],
)
def test_master_serves_on_whatever_visits(
    pair: jobqueue.Master, visit: Callable[[int], list[socket.socket]]
) -> None:
    used_before = _used(pair.pid)
    with contextlib.ExitStack() as visitors:
        for connection in visit(pair.port):
            visitors.enter_context(connection)
        assert list(pair.map("square", range(20), timeout=SOON)) == [n * n for n in range(20)]
        assert jobqueue.connect(HERE, pair.port, pair.key).get_task_queue().qsize() == 0
    a_few = 8  # connections of the two workers and of our own, which may come and go meanwhile
    assert until(lambda: _used(pair.pid) <= used_before + a_few), (used_before, _used(pair.pid))


def _used(pid: int) -> int:
    """Return how many threads, and files where the system counts them, a program has."""
    process = psutil.Process(pid)
    return process.num_threads() + (process.num_fds() if os.name == "posix" else 0)


# --- The worker --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "key", "code", "words"),
    [
        ([], None, 2, ["no key", "--key-file", KEY_VARIABLE]),
        (["--key-file", "no such file"], KEY, 2, ["no such file"]),
        (["--key-file", os.devnull], KEY, 2, ["empty"]),
        ([], "wrong", 3, ["refused", "--key-file"]),
        (["--plain"], "wrong", 3, ["refused", "--key-file"]),
        (["--port", "99999"], KEY, 4, ["99999"]),
        (["--host", "x" * 70], KEY, 4, ["x" * 70]),
    ],
)
def test_worker_that_cannot_start(
    start: Start, pair: jobqueue.Master, arguments: list[str], key: str | None, code: int, words: list[str]
) -> None:
    process = start("worker", "--host", HERE, "--port", pair.port, *arguments, key=key)
    exit_code, output, errors = ended(process)
    assert (exit_code, output) == (code, "")
    assert one_line(errors, "worker: ", *words)


class _Closing(BaseHTTPRequestHandler):
    """Says something at once that is no greeting, and leaves."""

    def handle(self) -> None:
        self.wfile.write(b"220 mail.example.com ready, but not for you\r\n")


@contextlib.contextmanager
def _others() -> Iterator[dict[str, int]]:
    """Open ports where no master is: nobody, a web server, one that is silent, one that talks first."""
    web, talker = (ThreadingHTTPServer((HERE, 0), handler) for handler in (BaseHTTPRequestHandler, _Closing))
    with web, talker, socket.create_server((HERE, 0)) as silent, socket.socket() as nobody:
        nobody.bind((HERE, 0))
        for server in (web, talker):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        addresses = {"nobody": nobody, "web": web.socket, "silent": silent, "talker": talker.socket}
        yield {name: opened.getsockname()[1] for name, opened in addresses.items()}
        web.shutdown()
        talker.shutdown()


def test_worker_where_no_master_is(start: Start) -> None:
    with _others() as others:
        processes = {name: start("worker", "--host", HERE, "--port", port) for name, port in others.items()}
        for name, process in processes.items():
            code, output, errors = ended(process)
            assert (name, code, output) == (name, 4, "")
            assert one_line(errors, "worker: ", f"{HERE}:{others[name]}", "check host and port"), errors


def test_workers_whose_master_is_killed(master: jobqueue.Master, connected: Start, gate: Gate) -> None:
    at_work = connected()
    give(master, "fetch", gate.url)
    gate.reached()
    processes = [at_work, connected(), connected("--plain")]
    master.kill()
    gate.open()
    for process in processes:
        code, _, errors = ended(process)
        assert code == 5
        assert one_line(errors, "worker: ", "master", "start it again")


@posix
@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["", "plain"])
def test_worker_that_waits_ends_well_when_told(connected: Start, options: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = connected(*options)
        process.send_signal(number)
        assert ended(process, GONE) == (0, "", "")


def test_plain_worker_goes_on_after_what_is_no_number(master: jobqueue.Master) -> None:
    for thing in (Task(("test", 0), "square", 3), "text", None, 10**3000, 10**300):
        master.task_queue.put(thing)
    code, _ = jobqueue.try_worker(HERE, master.port, KEY)
    *refused, squared = (master.result_queue.get(True, SOON) for _ in range(5))
    assert (code, squared) == (0, f"{10**300} * {10**300} = {10**600}")
    assert all("cannot be squared" in text for text in refused)


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_worker_at_work_finishes_first(
    master: jobqueue.Master, connected: Start, gate: Gate, name: str
) -> None:
    process = connected()
    give(master, "fetch", gate.url)
    gate.reached()
    process.send_signal(getattr(signal, name))
    give(master, "square", 3)
    gate.open()
    code, output, errors = ended(process, GONE)
    assert (code, output.count("\n"), errors) == (0, 1, "")
    assert next_span(master).value == 3
    assert master.stats() == {"tasks": 1, "results": 0}


@posix
def test_worker_at_work_leaves_at_once_when_told_twice(
    master: jobqueue.Master, connected: Start, gate: Gate
) -> None:
    process = connected()
    give(master, "fetch", gate.url)
    gate.reached()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert ended(process, GONE) == (0, "", "")


@pytest.mark.parametrize("at_work", [False, True], ids=["waiting", "at work"])
def test_worker_leaves_when_its_input_closes(
    master: jobqueue.Master, connected: Start, gate: Gate, at_work: bool
) -> None:
    process = connected("--until-stdin-closes")
    if at_work:
        give(master, "fetch", gate.url)
        gate.reached()
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")


def test_worker_leaves_when_its_input_closes_while_it_connects(start: Start) -> None:
    with socket.create_server((HERE, 0)) as silent:
        silent.settimeout(SOON)
        port = silent.getsockname()[1]
        process = start("worker", "--host", HERE, "--port", port, "--until-stdin-closes")
        visitor, _ = silent.accept()
        process.stdin.close()
        with visitor:
            assert ended(process, GONE) == (0, "", "")


def test_worker_limited_to_a_function(master: jobqueue.Master, connected: Start) -> None:
    connected("--function", "pi_sum")
    give(master, "square", 3)
    assert next_span(master).error == "ValueError: function: this worker runs only pi_sum, got 'square'"
    give(master, "pi_sum", 1)
    assert next_span(master).value == 4.0


ODD = """
class Square:
    def __mul__(self, other):
        return lambda: "a lambda cannot be pickled"

class Repr:
    def __mul__(self, other):
        return 1
    def __repr__(self):
        raise TypeError("no repr")

class Shy:
    def __mul__(self, other):
        return 1
    def __setstate__(self, state):
        import pathlib, sys
        if "worker.py" in sys.argv[0]:
            raise ValueError("not here")

class Multiline(Shy):
    def __mul__(self, other):
        raise OSError("two\\nlines, and a lone \\udcff")
    def __setstate__(self, state):
        pass
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of odd classes, which the programs that are started from now on know too."""
    (tmp_path / "odd_classes.py").write_text(ODD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delitem(sys.modules, "odd_classes", raising=False)
    import odd_classes

    return odd_classes


def test_worker_goes_on_after_whatever_it_takes(
    odd: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [
        ("rm", "-rf /", "ValueError: function: expected one of square, "),
        (["square"], 3, "TypeError: "),
        ("square", "word", "TypeError: "),
        ("hash_file", "no such file", "FileNotFoundError: "),
        ("square", odd.Square(), "the result cannot be sent: "),
        ("square", odd.Multiline(), "OSError: two\nlines"),
    ]
    goes_well = [odd.Repr(), 10**3000, 1e200]
    no_tasks = [5, "text", None, Task(None, "square", 3), Task(("test",), "square", 3), odd.Shy()]
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # a terminal that cannot show everything
    with jobqueue.launch_master(key=KEY) as master:
        process = start("worker", "--host", HERE, "--port", master.port)
        for function, argument, error in fails:
            give(master, function, argument)
            assert error in str(next_span(master).error)
        for argument in goes_well:
            give(master, "square", argument)
            assert next_span(master).error is None
        for thing in no_tasks:
            master.task_queue.put(thing)
        give(master, "square", 3)
        assert next_span(master).value == 9
        lines = list(iter(process.stdout.readline, "square(3) = 9\n"))
        master.kill()
        code, output, errors = ended(process)
    assert len(lines) == 1 + len(fails) + len(goes_well) + len(no_tasks)
    assert sum(line.startswith("no task") for line in lines) == len(no_tasks)
    assert max(map(len, lines)) < 200
    assert (code, output) == (5, "")
    assert one_line(errors, "worker: ")


# --- Masters and workers from Python -----------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 300])
def test_map_yields_every_result_once_in_order(pair: jobqueue.Master, size: int) -> None:
    numbers = [n * 7 % 101 - 50 for n in range(size)]
    assert list(pair.map("square", iter(numbers), timeout=SOON)) == [n * n for n in numbers]
    assert pair.stats() == {"tasks": 0, "results": 0}


def test_run_returns_spans_whose_times_are_in_order(pair: jobqueue.Master) -> None:
    before = time.perf_counter()
    spans = pair.run("pi_sum", [1000] * 20, timeout=SOON).spans
    assert [span.job for span in spans] == list(range(20))
    assert all(before <= span.given <= span.returned <= time.perf_counter() for span in spans)


def test_map_of_an_unknown_function_gives_nothing_out(pair: jobqueue.Master) -> None:
    with pytest.raises(ValueError, match=r"expected one of square, .* got 'cube'"):
        pair.map("cube", [1])
    assert pair.stats() == {"tasks": 0, "results": 0}


def test_map_names_the_task_that_failed(pair: jobqueue.Master) -> None:
    results = pair.map("square", [1, "two", 3], timeout=SOON)
    assert next(results) == 1
    with pytest.raises(RuntimeError, match=r"task 1 failed in worker process \d+: TypeError: "):
        next(results)
    assert list(pair.map("square", [4], timeout=SOON)) == [16]


def test_map_is_not_disturbed_by_what_others_put_into_the_result_queue(pair: jobqueue.Master) -> None:
    for thing in (
        "3 * 3 = 9",
        None,
        Result(("another run", 0), pair.run("square", [3], SOON).spans[0]),
        Result(None, None),
    ):
        pair.result_queue.put(thing)
    assert list(pair.map("square", [4], timeout=SOON)) == [16]


def test_a_worker_that_dies_takes_its_task_along(master: jobqueue.Master, gate: Gate) -> None:
    with jobqueue.launch_workers(master) as workers, ThreadPoolExecutor(1) as user:
        (pid,) = workers.pids
        waiting = user.submit(master.run, "fetch", [gate.url, "never"], 1)
        gate.reached()
        assert workers.kill_one() == pid
        with pytest.raises(
            TimeoutError, match=rf"no result for 1 s and 2 tasks still out \(fetch\('{gate.url}'\), "
        ):
            waiting.result(SOON)
        assert (workers.pids, master.stats()) == ([], {"tasks": 1, "results": 0})
        assert workers.exit_codes[0] not in (None, 0)
        with pytest.raises(jobqueue.QueueError, match="no worker is alive"):
            workers.kill_one()
    with jobqueue.launch_workers(master):  # runs what is left of the run that was given up, then ours
        assert list(master.map("square", range(5), timeout=SOON)) == [0, 1, 4, 9, 16]


def test_what_is_still_out_is_named_in_short(master: jobqueue.Master) -> None:
    with pytest.raises(TimeoutError) as error:
        master.map("square", [10**5000, *"x" * 300, "x" * 100_000], timeout=0.01)
    assert len(str(error.value)) < 1000
    assert "302 tasks still out" in str(error.value)


def test_a_run_that_is_interrupted_does_not_disturb_the_next(master: jobqueue.Master, gate: Gate) -> None:
    def interrupt() -> None:
        gate.reached()
        programs.interrupt_myself()

    with jobqueue.launch_workers(master):
        watcher = threading.Thread(target=interrupt)
        watcher.start()
        with pytest.raises(KeyboardInterrupt):
            master.map("fetch", [gate.url, "no address"], timeout=SOON)
        watcher.join()
        gate.open()
        for size in (3, 5):
            assert list(master.map("square", range(size), timeout=SOON)) == [n * n for n in range(size)]


def test_stats_count_what_waits(master: jobqueue.Master) -> None:
    for n in range(3):
        master.task_queue.put(n)
    master.result_queue.put("one")
    assert master.stats() == {"tasks": 3, "results": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"host": "192.0.2.1"}, "192.0.2.1"), ({"port": 99999}, "99999"), ({"port": -1}, "-1")],
)
def test_launch_master_where_it_cannot_be(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(jobqueue.QueueError, match=words):
        jobqueue.launch_master(**arguments)


def test_launch_master_twice_on_a_port(master: jobqueue.Master) -> None:
    with pytest.raises(jobqueue.QueueError, match=f"{master.port}.*another --port"):
        jobqueue.launch_master(port=master.port)


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
def test_launch_workers_wants_a_count(pair: jobqueue.Master, count: Any) -> None:
    with pytest.raises(ValueError, match="count: expected a whole number"):
        jobqueue.launch_workers(pair, count)


def test_launch_workers_tells_why_not(pair: jobqueue.Master) -> None:
    with pytest.raises(jobqueue.QueueError, match="refused the key"):
        jobqueue.launch_workers(_Address(pair.port, "wrong"))


def test_try_worker(pair: jobqueue.Master) -> None:
    code, said = jobqueue.try_worker(HERE, pair.port, "wrong")
    assert (code, "refused" in said) == (3, True)
    with _others() as others:
        code, said = jobqueue.try_worker(HERE, others["nobody"], "any")
    assert (code, "nothing answers" in said) == (4, True)


def test_try_worker_is_not_cut_short(master: jobqueue.Master) -> None:
    for n in range(10):
        master.task_queue.put(n)
    code, said = jobqueue.try_worker(HERE, master.port, KEY)
    assert (code, said.count("working on")) == (0, 10)
    assert master.stats() == {"tasks": 0, "results": 10}


def test_stopping_twice_and_asking_after() -> None:
    master = jobqueue.launch_master()
    workers = jobqueue.launch_workers(master, 2)
    for handle in (workers, workers, master, master):
        handle.stop()
    assert (workers.pids, workers.exit_codes) == ([], [0, 0])
    assert not psutil.pid_exists(master.pid)
    for ask in (master.stats, lambda: master.map("square", [1])):
        with pytest.raises(jobqueue.MasterGone, match="launch a new one"):
            ask()


@pytest.mark.parametrize("stop_master_first", [False, True])
def test_a_master_that_was_killed(master: jobqueue.Master, stop_master_first: bool) -> None:
    with jobqueue.launch_workers(master, 2) as workers:
        master.kill()
        with pytest.raises(jobqueue.MasterGone, match="launch a new one"):
            master.map("square", [1])
        if stop_master_first:
            master.stop()
        assert [line for line in workers.lines() if "went away" in line]
        assert workers.exit_codes == [5, 5]


def test_blocks_end_everything_whatever_their_body_does() -> None:
    ours = []

    def use() -> None:
        with jobqueue.launch_master() as master, jobqueue.launch_workers(master, 2) as workers:
            ours.extend(psutil.Process(pid) for pid in (master.pid, *workers.pids))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert len(ours) == 3
    assert all(map(gone, ours))


def test_handles_that_nobody_holds_end_their_programs() -> None:
    master = jobqueue.launch_master()
    workers = jobqueue.launch_workers(master)
    assert list(master.map("square", [3], timeout=SOON)) == [9]
    ours = [psutil.Process(pid) for pid in (master.pid, *workers.pids)]
    del workers
    gc.collect()
    assert [gone(process) for process in ours] == [False, True]
    del master
    gc.collect()
    assert all(map(gone, ours))


USER = """
from helpers import jobqueue
master = jobqueue.launch_master()
workers = jobqueue.launch_workers(master, 2)
print(master.pid, *workers.pids, flush=True)
master.map("fetch", ["{url}"])
"""


def test_nothing_outlives_its_user(start: Start, gate: Gate) -> None:
    user = start("-c", USER.format(url=gate.url))
    ours = [psutil.Process(int(pid)) for pid in programs.first_line(user).split()]
    gate.reached()  # a worker is at work
    user.kill()
    user.wait(SOON)
    assert len(ours) == 3
    assert until(lambda: all(map(gone, ours)), GONE)


def test_two_users_at_once_do_not_disturb_each_other() -> None:
    def use(first: int) -> bool:
        numbers = range(first, first + 100)
        with jobqueue.launch_master() as master, jobqueue.launch_workers(master, 2):
            return list(master.map("square", numbers, timeout=SOON)) == [n * n for n in numbers]

    with ThreadPoolExecutor(2) as users:
        assert list(users.map(use, [0, 1000])) == [True, True]


def test_two_threads_share_a_master(pair: jobqueue.Master) -> None:
    with ThreadPoolExecutor(2) as users:
        runs = [users.submit(lambda: list(pair.map("square", range(50), timeout=SOON))) for _ in range(2)]
        assert [run.result() for run in runs] == [[n * n for n in range(50)]] * 2


def test_workers_never_wait_for_a_reader(master: jobqueue.Master) -> None:
    numbers = range(10**9, 10**9 + 3000)
    with jobqueue.launch_workers(master, 2) as workers:
        assert list(master.map("square", numbers, timeout=SOON)) == [n * n for n in numbers]
    said = list(workers.lines())
    assert sorted(said) == [f"square({n}) = {n * n}" for n in numbers]
    assert sum(map(len, said)) > 2**16, "less than a pipe holds"
    assert list(workers.lines()) == []


# --- The article's own scripts -----------------------------------------------------------------------


@pytest.mark.parametrize("port", [5000, 0])
def test_the_articles_worker_serves_our_master(start: Start, port: int) -> None:
    try:
        master = jobqueue.launch_master(port=port, key="abc")
    except jobqueue.QueueError as error:
        pytest.skip(f"port {port} is taken on this computer: {error}")
    numbers = range(100, 110)
    with master:
        for n in numbers:
            master.task_queue.put(n)
        process = start(ARTICLE / "worker.py", *[master.port] * (port == 0))
        texts = [master.result_queue.get(True, SOON) for _ in numbers]
        assert texts == [f"{n} * {n} = {n * n}" for n in numbers]
        code, output, errors = ended(process)
        assert (code, output.count("run task"), errors) == (0, 10, "")


@pytest.mark.parametrize("start_method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize(
    "workers",
    [["worker", "--plain", "--host", HERE, "--port"], [ARTICLE / "worker.py"]],
    ids=["ours", "its own"],
)
def test_the_articles_master_has_its_numbers_squared(
    start: Start, workers: list[Any], start_method: str
) -> None:
    master = start(ARTICLE / "master.py", 0, start_method)
    port = programs.first_line(master).removeprefix("port ")
    process = start(*workers, port, key="abc")
    code, output, errors = ended(master)
    assert (code, errors) == (0, "")
    said = [line.split(" ", 1) for line in output.splitlines()]
    asked = [int(rest) for kind, rest in said if kind == "task"]
    assert len(asked) == 10
    assert [rest for kind, rest in said if kind == "result"] == [f"{n} * {n} = {n * n}" for n in asked]
    process.kill()
