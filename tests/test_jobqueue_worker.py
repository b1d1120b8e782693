"""The worker from outside: how it starts, works and ends, with every exit code and line."""

import contextlib
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from queue_helpers import GONE, HERE, KEY, SOON, Gate, Start, ended, one_line, posix, until

from helpers import jobqueue
from helpers.jobqueue import protocol, session, transport
from helpers.jobqueue.key import KEY_VARIABLE
from helpers.traces import Span


def give(master: jobqueue.Master, function: str, argument: Any) -> jobqueue.Batch:
    """Give a task; it is forgotten with the batch, so keep that."""
    return master.submit(function, [argument])


def end_of(batch: jobqueue.Batch) -> Span:
    return next(batch.as_completed(SOON))


# --- Where it cannot start ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--host", "h", "--port", "p"],
        ["--host", "h", "--port", "1", "--function", "rm"],
        ["--host", "h", "--port", "1", "--function", "pi_sum", "--plain"],
        ["--host", "h", "--port", "1", "--prefetch", "0"],
    ],
)
def test_usage_errors(start: Start, arguments: list[str]) -> None:
    code, output, errors = ended(start("worker", *arguments))
    assert (code, output) == (2, "")
    assert errors.startswith("usage: python -m helpers.jobqueue.worker")
    assert "Traceback" not in errors


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
        for name in ("nobody", "talker"):
            code, output, errors = ended(start("worker", "--host", HERE, "--port", others[name]))
            assert (name, code, output) == (name, 4, "")
            assert one_line(errors, "worker: ", f"{HERE}:{others[name]}", "check host and port"), errors
        code, said = jobqueue.try_worker(HERE, others["nobody"], "any")
    assert (code, "nothing answers" in said) == (4, True)


def test_nobody_is_waited_for_who_does_not_greet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.3)
    with _others() as others:
        for name, port in others.items():
            with pytest.raises(jobqueue.NobodyThere, match=f"{HERE}:{port}.*check host and port"):
                pytest.fail(f"{name} is no master: {protocol.connect(HERE, port, KEY.encode())}")


def test_try_worker_with_a_wrong_key(pair: jobqueue.Master) -> None:
    code, said = jobqueue.try_worker(HERE, pair.port, "wrong")
    assert (code, "refused" in said) == (3, True)


# --- Its end -----------------------------------------------------------------------------------------


def test_workers_whose_master_is_killed(master: jobqueue.Master, connected: Start, gate: Gate) -> None:
    at_work = connected()
    _in_hand = give(master, "fetch", gate.url)
    gate.reached()
    processes = [at_work, connected(), connected("--prefetch", "50"), connected("--plain")]
    master.kill()
    killed = time.monotonic()
    for process in processes:
        code, output, errors = ended(process, killed + GONE - time.monotonic())
        assert (code, output) == (5, "")
        assert one_line(errors, "worker: ", "master", "start it again")


@posix
@pytest.mark.parametrize("options", [[], ["--prefetch", "9"], ["--plain"]], ids=["", "prefetch", "plain"])
def test_worker_that_waits_ends_well_when_told(connected: Start, options: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = connected(*options)
        process.send_signal(number)
        waits = 1 if options == ["--plain"] else 0  # second, for the next task
        assert ended(process, GONE + waits) == (0, "", "")


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_worker_at_work_finishes_first(
    master: jobqueue.Master, connected: Start, gate: Gate, name: str
) -> None:
    process = connected()
    in_hand = give(master, "fetch", gate.url)
    gate.reached()
    process.send_signal(getattr(signal, name))
    later = give(master, "square", 3)
    gate.open()
    code, output, errors = ended(process, GONE)
    assert (code, output.count("\n"), errors) == (0, 1, "")
    assert end_of(in_hand).value == 3
    stats = master.stats()
    assert (stats.waiting, stats.in_work, stats.done, stats.retried) == (1, 0, 1, 0)
    later.cancel()


@posix
def test_worker_that_is_told_gives_back_at_once_what_it_has_not_begun(
    master: jobqueue.Master, connected: Start, gate: Gate
) -> None:
    process = connected("--prefetch", "5")
    batch = master.submit("fetch", [gate.url] * 5)
    gate.reached()
    assert master.stats().in_work == 5
    process.send_signal(signal.SIGTERM)
    gate.open()
    code, output, _ = ended(process, GONE)
    assert (code, output.count("\n")) == (0, 1)
    assert next(batch.as_completed(SOON)).job == 0
    stats = master.stats()
    assert (stats.waiting, stats.in_work, stats.done, stats.retried) == (4, 0, 1, 0)


@posix
def test_worker_at_work_leaves_at_once_when_told_twice(
    master: jobqueue.Master, connected: Start, gate: Gate
) -> None:
    process = connected()
    given_back = give(master, "fetch", gate.url)
    gate.reached()
    process.send_signal(signal.SIGINT)

    def told_again() -> bool:
        """Tell it until it hears: a signal that meets another one on its way is heard with the next."""
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        return process.poll() is not None

    assert until(told_again, GONE)
    code, output, errors = ended(process)
    assert code in (0, -signal.SIGTERM)  # the last may come when Python is gone already
    assert (output, errors) == ("", "")
    assert until(lambda: master.stats().waiting == 1), "it was given back"
    given_back.cancel()


@pytest.mark.parametrize("at_work", [False, True], ids=["waiting", "at work"])
def test_worker_leaves_when_its_input_closes(
    master: jobqueue.Master, connected: Start, gate: Gate, at_work: bool
) -> None:
    process = connected("--until-stdin-closes")
    if at_work:
        _in_hand = give(master, "fetch", gate.url)
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


# --- At work -----------------------------------------------------------------------------------------


def test_plain_worker_goes_on_after_what_is_no_number(master: jobqueue.Master) -> None:
    for thing in (["a list"], "text", None, 10**3000, 10**300):
        master.task_queue.put(thing)
    code, _ = jobqueue.try_worker(HERE, master.port, KEY)
    *refused, squared = (master.result_queue.get(True, SOON) for _ in range(5))
    assert (code, squared) == (0, f"{10**300} * {10**300} = {10**600}")
    assert all("cannot be squared" in text for text in refused)


def test_try_worker_is_not_cut_short(master: jobqueue.Master) -> None:
    for n in range(10):
        master.task_queue.put(n)
    code, said = jobqueue.try_worker(HERE, master.port, KEY)
    assert (code, said.count("working on")) == (0, 10)
    assert (master.task_queue.qsize(), master.result_queue.qsize()) == (0, 10)


def test_worker_limited_to_a_function(master: jobqueue.Master, connected: Start) -> None:
    connected("--function", "pi_sum")
    not_its_own = give(master, "square", 3)
    assert end_of(give(master, "pi_sum", 1)).value == 4.0
    assert master.stats().waiting == 1
    not_its_own.cancel()


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
    def __getstate__(self):
        return {"shy": True}
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
        ("rm", pickle.dumps("-rf /"), "ValueError: function: expected one of square, "),
        ("square", b"no pickle", "UnpicklingError: "),
        ("square", b"", "EOFError: "),
        ("square", None, "TypeError: "),
        ("square", pickle.dumps("word"), "TypeError: "),
        ("hash_file", pickle.dumps("no such file"), "FileNotFoundError: "),
        ("square", pickle.dumps(odd.Square()), "the result cannot be sent: "),
        ("square", pickle.dumps(odd.Multiline()), "OSError: two\nlines"),
        ("square", pickle.dumps(odd.Shy()), "ValueError: not here"),
    ]
    goes_well = [odd.Repr(), 10**3000, 1e200]
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")  # a terminal that cannot show everything
    with jobqueue.launch_master(key=KEY, attempts=1) as master:
        process = start("worker", "--host", HERE, "--port", master.port)
        for number, (function, argument, error) in enumerate(fails):  # not all can be given to a client
            time.sleep(2 * session._PRINT_INTERVAL)  # so that each is told of in a line of its own
            master.ask("submit", master.name, "odd", [(number, function, argument)])
            ((_, _, errors, _),) = master.ask("collect", "odd", number, 1, SOON)
            assert error in "".join(errors)
        for argument in goes_well:
            time.sleep(2 * session._PRINT_INTERVAL)
            assert end_of(give(master, "square", argument)).error is None
        time.sleep(2 * session._PRINT_INTERVAL)
        assert end_of(give(master, "square", 3)).value == 9
        lines = list(iter(process.stdout.readline, "square(3) = 9\n"))
        assert master.stats().shelved == len(master.shelf()) == len(fails)
        master.kill()
        code, output, errors = ended(process)
    assert len(lines) == 1 + len(fails) + len(goes_well)
    assert max(map(len, lines)) < 200
    assert (code, output) == (5, "")
    assert one_line(errors, "worker: ")


def test_worker_tells_of_all_it_has_done_in_few_lines(start: Start, master: jobqueue.Master) -> None:
    process = start("worker", "--host", HERE, "--port", master.port)
    list(master.map("square", range(2000)))
    assert until(lambda: master.stats().waiting == 0)
    process.stdin.close()
    process.send_signal(signal.SIGTERM) if os.name == "posix" else process.terminate()
    _, output, _ = ended(process)
    told = [line for line in output.splitlines() if line.startswith("square(")]
    counts = [int(line.split("the last of ")[1].split()[0]) if "the last of" in line else 1 for line in told]
    assert sum(counts) == 2000
    assert len(told) < 200
