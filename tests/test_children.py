"""How child processes start, and that they end with their parent, or at once when they are told to."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import psutil
import pytest
from queue_helpers import GONE, gone, until

from helpers import children, ways

METHODS = multiprocessing.get_all_start_methods()


def how_i_was_started():
    return type(multiprocessing.current_process()).__name__.removesuffix("Process").lower()


@pytest.mark.parametrize("method", METHODS)
def test_the_start_method_is_that_of_the_environment_variable(monkeypatch, method):
    monkeypatch.setenv("HELPERS_START_METHOD", method)
    assert children.default_start_method() == method
    assert ways.run([how_i_was_started], "processes").values == [method]


@pytest.mark.parametrize("method", METHODS)
def test_the_start_method_is_that_of_the_argument(monkeypatch, method):
    monkeypatch.setenv("HELPERS_START_METHOD", "spawn")
    assert ways.run([how_i_was_started], "processes", 1, method).values == [method]


@pytest.mark.parametrize(
    ("known", "safe"),
    [
        (["spawn"], "spawn"),
        (["fork", "spawn"], "spawn"),
        (["fork", "spawn", "forkserver"], "forkserver"),
    ],
)
def test_the_start_method_is_safe_unless_chosen(monkeypatch, known, safe):
    monkeypatch.delenv("HELPERS_START_METHOD", raising=False)
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: known)
    assert children.default_start_method() == safe


def echo(pipe):
    for message in iter(pipe.recv, None):
        pipe.send((os.getpid(), message))


@pytest.mark.parametrize("method", METHODS)
def test_a_serving_process_answers_and_ends_with_its_block(method):
    with children.serving(multiprocessing.get_context(method), echo) as pipe:
        pipe.send("hello")
        pid, message = pipe.recv()
        assert (pid != os.getpid(), message) == (True, "hello")
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("method", METHODS)
def test_workers_are_killed_without_waiting_for_their_job(method):
    """A contract with CPython: if this fails with a new version, see how it names a pool's processes now."""
    pool = ProcessPoolExecutor(2, multiprocessing.get_context(method))
    workers = [psutil.Process(pid) for pid in {pool.submit(os.getpid).result() for _ in range(9)}]
    pool.submit(time.sleep, 60)
    pool.submit(time.sleep, 60)
    began = time.monotonic()
    children.kill_workers(pool)
    assert until(lambda: all(map(gone, workers)), within=10)
    assert time.monotonic() - began < 10


def test_an_executor_without_processes_is_only_shut_down():
    pool = ThreadPoolExecutor(1)
    children.kill_workers(pool)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(os.getpid)


ORPHAN = """
import multiprocessing, os, sys, time
from helpers import children

def live():
    children.leave_with_parent()
    os.write(1, f"child {os.getpid()}\\n".encode())
    time.sleep(60)

if __name__ == "__main__":
    multiprocessing.get_context(sys.argv[1]).Process(target=live).start()
    if sys.argv[2:] and not os.fork():  # a sibling that inherits all of the parent's pipes
        os.write(1, f"sibling {os.getpid()}\\n".encode())
        time.sleep(60)
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("siblings", [0, 1][: 1 + (os.name == "posix")])
def test_a_child_leaves_with_its_parent(method, siblings, tmp_path):
    file = tmp_path / "orphan.py"
    file.write_text(ORPHAN)
    command = [sys.executable, file, method, *["sibling"] * siblings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pids = dict(parent.stdout.readline().split() for _ in range(1 + siblings))
        family = {name: psutil.Process(int(pid)) for name, pid in pids.items()}
        parent.kill()
    assert until(lambda: gone(family["child"]), within=GONE)
    if siblings:
        family["sibling"].kill()
