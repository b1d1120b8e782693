"""The master from outside: how it starts, serves and ends, and whoever visits it."""

import contextlib
import json
import os
import secrets
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection as connections
from pathlib import Path
from typing import Any

import psutil
import pytest
from queue_helpers import GONE, HERE, KEY, SOON, Address, Start, ended, first_line, one_line, posix, until

from helpers import jobqueue
from helpers.jobqueue import listener as listening
from helpers.jobqueue import protocol
from helpers.jobqueue.key import SHORTEST_KEY, risks


def ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a master's line and return what it says."""
    line: dict[str, Any] = json.loads(first_line(process))
    return line


# --- From start to end -------------------------------------------------------------------------------


def test_master_says_where_it_is_and_nothing_else(start: Start) -> None:
    process = start("master", "--until-stdin-closes")
    line = ready(process)
    assert line == {"host": HERE, "port": line["port"], "pid": process.pid}
    with jobqueue.launch_workers(Address(line["port"], KEY), 1):  # it serves by now
        assert KEY not in " ".join(psutil.Process(process.pid).cmdline())
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "{taken}"], ["{taken}", "--port"]),
        (["--port", "99999"], ["99999", "--port"]),
        (["--host", "192.0.2.1"], ["192.0.2.1"]),
        (["--host", "x" * 70], ["x" * 70]),
        (["--key-file", "no such file"], ["no such file"]),
        (["--key-file", os.devnull], ["empty"]),
        (["--lease", "0"], ["lease over 0 s"]),
        (["--attempts", "0"], ["attempts"]),
        (["--retry-delay", "-1"], ["retry delay"]),
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


@pytest.mark.parametrize("arguments", [["--port", "five"], ["5000"], ["--attempts", "1.5"]])
def test_usage_errors(start: Start, arguments: list[str]) -> None:
    code, output, errors = ended(start("master", *arguments))
    assert (code, output) == (2, "")
    assert errors.startswith("usage: python -m helpers.jobqueue.master")
    assert "Traceback" not in errors


# --- The key -----------------------------------------------------------------------------------------


def test_key_from_a_file(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"  {KEY}\n")
    port = ready(start("master", "--key-file", file, key="another, which the file outdoes"))["port"]
    process = start("worker", "--host", HERE, "--port", port, "--key-file", file, key=None)
    assert first_line(process).startswith("connected")


@posix
@pytest.mark.parametrize("key", ["clé π", os.fsdecode(b"\xff\xfe")])
def test_key_may_be_any_bytes(start: Start, key: str) -> None:
    port = ready(start("master", key=key))["port"]
    process = start("worker", "--host", HERE, "--port", port, key=key)
    assert first_line(process).startswith("connected")


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
    assert protocol.connect(HERE, port, key.encode())
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")
    assert not file.exists()


def test_new_keys_are_of_32_bytes_and_never_the_same() -> None:
    keys = []
    for _ in range(2):
        with jobqueue.launch_master() as master:
            keys.append(bytes.fromhex(master.key.decode()))
    assert [len(key) for key in keys] == [32, 32]
    assert len(set(keys)) == 2


def test_key_is_in_no_repr_no_command_line_and_no_output(master: jobqueue.Master) -> None:
    with jobqueue.launch_workers(master) as workers:
        assert list(master.map("square", [3], timeout=SOON)) == [9]
        things = [
            master,
            repr(vars(master)).replace(repr(master.key), ""),  # where it is kept
            workers,
            vars(workers),
            vars(master._program),
            master.submit("square", [1]),
        ]
        for program in (master._program, *workers._programs):
            things += [program, vars(program._process), psutil.Process(program.pid).cmdline()]
    things += workers.lines()
    assert KEY not in repr(things)


def test_a_short_key_is_warned_of_with_the_remedy(start: Start) -> None:
    process = start("master", "--until-stdin-closes", key="short")
    ready(process)
    said = process.stderr.readline()
    assert one_line(said, "warning", "5 bytes", "leave it out", str(SHORTEST_KEY))
    assert "short" not in said.replace("shortest", "")
    process.stdin.close()
    assert ended(process, GONE) == (0, "", "")
    with pytest.warns(UserWarning, match="5 bytes.*leave it out"), jobqueue.launch_master(key="short"):
        pass


LONG = b"x" * SHORTEST_KEY


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", ""])
def test_an_address_that_others_reach_is_warned_of_with_the_remedy(host: str) -> None:
    (risk,) = risks(host, LONG)
    assert all(word in risk for word in ("run code", "127.0.0.1", "SSH tunnel"))
    assert len(risks(host, LONG[1:])) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_this_machine_and_a_long_key_need_no_warning(host: str) -> None:
    assert risks(host, LONG) == []


# --- Whoever visits ----------------------------------------------------------------------------------

Visit = Callable[[int], list[Any]]


def _many(visit: Callable[[socket.socket], object], times: int) -> Visit:
    def visits(port: int) -> list[socket.socket]:
        sockets = [socket.create_connection((HERE, port), SOON) for _ in range(times)]
        for connection in sockets:
            visit(connection)
        return sockets

    return visits


def _wrong_keys(port: int) -> list[Any]:
    for _ in range(50):
        with pytest.raises(jobqueue.KeyRefused):
            protocol.connect(HERE, port, secrets.token_bytes(8))
    return []


def _with_the_key(port: int) -> list[Any]:
    return [connections.Client((HERE, port), authkey=KEY.encode()) for _ in range(1000)]


@contextlib.contextmanager
def _room_for_connections() -> Iterator[None]:
    """Let this program have 2000 files open, of which each connection is one."""
    if os.name != "posix":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 2000:
        pytest.skip(f"this computer allows a program only {before[1]} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2000), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    "visit",
    [
        _many(lambda connection: connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 20),
        _many(lambda connection: connection.sendall(secrets.token_bytes(5000)), 20),
        _many(lambda connection: connection.sendall(struct.pack("!i", 2**31 - 1)), 20),
        _many(lambda connection: connection.sendall(struct.pack("!iQ", -1, 2**62)), 20),
        _many(lambda connection: connection.sendall(b"\0\0"), 20),
        _many(lambda connection: connection.recv(1), 1000),
        _many(lambda connection: connection.shutdown(socket.SHUT_WR), 20),
        _many(lambda connection: connection.close(), 100),
        _wrong_keys,
        _with_the_key,
    ],
    ids=["web", "garbage", "huge", "very huge", "half a message", "1000 silent", "half-closed",
         "open and close", "wrong keys", "1000 idle with the key"],
)  # fmt: skip
def test_master_serves_on_whatever_visits(pair: jobqueue.Master, visit: Visit) -> None:
    used_before = _used(pair.pid)
    with _room_for_connections(), contextlib.ExitStack() as visitors:
        for visitor in visit(pair.port):
            visitors.enter_context(visitor)
        assert list(pair.map("square", range(20), timeout=SOON)) == [n * n for n in range(20)]
        assert protocol.connect(HERE, pair.port, pair.key).get_task_queue().qsize() == 0
    a_few = 8  # connections of the two workers and of our own, which may come and go meanwhile
    # A thousand threads that end at once take their time where the cores are busy with other things.
    assert until(lambda: _used(pair.pid) <= used_before + a_few, 4 * SOON), (used_before, _used(pair.pid))


def _used(pid: int) -> int:
    """Return how many threads, and files where the system counts them, a program has."""
    process = psutil.Process(pid)
    return process.num_threads() + (process.num_fds() if os.name == "posix" else 0)


def test_who_begins_a_proof_of_the_key_and_falls_silent_is_shown_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "SILENCE_TIMEOUT", 2)
    listener = listening.Listener((HERE, 0), 1)
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(3) as hosts:
        opened.callback(listener.close)
        proofs = []
        for said in (b"", b"\0\0", struct.pack("!i", 20) + b"half of it"):
            visitor = opened.enter_context(socket.create_connection(listener.address))
            visitor.sendall(said)
            proofs.append(hosts.submit(opened.enter_context(listener.accept()).recv_bytes, 256))
        assert all(isinstance(proof.exception(SOON), OSError) for proof in proofs)


def test_who_has_proved_the_key_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "SILENCE_TIMEOUT", 2)
    listener = listening.Listener((HERE, 0), 1)
    with (
        contextlib.closing(listener),
        listening.visit(listener.address) as visitor,
        listener.accept() as connection,
    ):
        visitor.send("at once")
        assert connection.recv() == "at once"
        alarm = threading.Timer(2.5, visitor.send, ["late"])
        alarm.start()
        assert connection.recv() == "late"


NONSENSE: list[tuple[str, list[Any]]] = [
    ("submit", ["c", "x", [("no", "task")]]),
    ("submit", ["c", "x", 5]),
    ("take", ["w", [None], 1, 0]),
    ("take", ["w", [("no", "outcome")], 1, 0]),
    ("take", ["w", [], "one", 0]),
    ("take", ["w", [], -1, 0]),
    ("collect", ["x", None, 1, 0]),
    ("collect", []),
    ("leave", [["w"], []]),
]


@pytest.mark.parametrize(("method", "arguments"), NONSENSE)
def test_nonsense_from_who_has_the_key_harms_nobody_else(
    pair: jobqueue.Master, method: str, arguments: list[Any]
) -> None:
    with jobqueue.Client(HERE, pair.port, pair.key) as other, contextlib.suppress(jobqueue.QueueError):
        other.ask(method, *arguments)
    assert list(pair.map("square", range(5), timeout=SOON)) == [0, 1, 4, 9, 16]


def test_a_method_that_is_not_offered_is_refused(pair: jobqueue.Master) -> None:
    with pytest.raises(jobqueue.QueueError, match="expected one of hello, join, submit"):
        pair.ask("__init__", 5)
    assert list(pair.map("square", [2], timeout=SOON)) == [4]


def test_stats_count_what_happens(pair: jobqueue.Master) -> None:
    before = pair.stats()
    assert list(pair.map("square", range(50), timeout=SOON)) == [n * n for n in range(50)]
    after = pair.stats()
    assert (after.done - before.done, after.waiting, after.in_work) == (50, 0, 0)
    assert sum(after.workers.values()) == after.done
    time.sleep(1.1)  # until the second in which that was is over
    assert pair.stats().per_second >= 50 / 3
