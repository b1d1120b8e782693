"""What the tests of the job queue share: how to look at programs, and a gate that holds up a task."""

import os
import socket
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

from helpers import jobqueue

KEY = "a key that nobody may see"
HERE = "127.0.0.1"
SOON = 20  # seconds within which anything happens, on a very busy computer
GONE = 2  # seconds that a program of ours may outlive its master, its input or its user

posix = pytest.mark.skipif(os.name != "posix", reason="signals to another program are a thing of POSIX")
Start = Callable[..., subprocess.Popen[str]]


class Address(jobqueue.Client):
    """A master that is known by its address only."""

    def __init__(self, port: int, key: str) -> None:
        self.host, self.port, self.key = HERE, port, key.encode()


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


def first_line(process: "subprocess.Popen[str]") -> str:
    """Return the first line of a program's output, "" when it has ended without one."""
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


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


def gone(process: psutil.Process | int) -> bool:
    """Tell whether a process has ended; one that nobody has asked for its exit code has, too."""
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def one_line(text: str, *words: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text and all(word in text for word in words)
