"""Other Python programs, started from here: they report when they are ready, and never outlive us.

A program runs in a session of its own, so that interrupting a cell does not interrupt it. In return it
watches its standard input, which closes when we end for whatever reason, and its parent, and then leaves.
"""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

GRACE = 1.5  # seconds that a program has to leave before it is killed
READY = 30  # seconds that a program has to say that it is ready, on a very busy computer
_LAST = 20  # lines that are remembered, for errors
_UNREAD = 10_000  # lines that wait for a reader, at most: the latest
_PARENT_CHECK = 0.5  # seconds between two looks at whether the parent is there
PLAIN = {"PYTHON_COLORS": "0"}
"""For a program whose errors are read. Jupyter asks for colours, which Python has in them from 3.13 on."""

_PARENT = "HELPERS_PARENT"  # in a program's environment: the number of the process that has started it


class ProgramFailed(RuntimeError):
    """A program ended, or said nothing, where a line of it was waited for. The message is its last words."""


class Program:
    """A running program: ``pid``, what it says line by line, and its end."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take over a process whose input, output and errors are pipes; for ``start``."""
        self._process, self.pid = process, process.pid
        self._lines: queue.SimpleQueue[tuple[bool, str] | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_LAST)
        self._open = 2
        pipes = ((True, process.stdout), (False, process.stderr))
        self._readers = [threading.Thread(target=self._read, args=pipe, daemon=True) for pipe in pipes]
        for reader in self._readers:
            reader.start()

    def line(self, begin: str = "", timeout: float | None = None) -> str:
        """Return the next line of its output that begins so; others, and its errors, are passed over.

        Raises ProgramFailed when it ends before, or has no such line for ``timeout`` seconds (``READY``); it
        is killed.
        """
        timeout = READY if timeout is None else timeout
        end = time.monotonic() + timeout
        try:
            while (found := self._next(end)) is not None:
                is_output, line = found
                if is_output and line.startswith(begin):
                    return line
        except BaseException as error:
            self.kill()
            if not isinstance(error, queue.Empty):
                raise
            raise ProgramFailed(f"it was not ready within {timeout:g} s; {self.words()}") from None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # its pipes close just before it has ended
        raise ProgramFailed(self.words())

    def lines(self) -> Iterator[str]:
        """Yield what it says, output and errors, line by line as it comes, until it has ended."""
        while (found := self._next()) is not None:
            yield found[1]

    def said(self) -> str:
        """Return the last lines that it said; of one that has ended, also those on their way."""
        if self._process.poll() is not None:
            for reader in self._readers:
                reader.join(1)
        return "".join(self._said).strip()

    def words(self) -> str:
        """Return the last line that it said, or how it ended without a word."""
        code = self._process.poll()
        silence = "it said nothing" if code is None else f"it ended with exit code {code} and said nothing"
        return (self.said() or silence).splitlines()[-1].strip()

    def output(self, timeout: float | None = None) -> str:
        """Return all that it says until it ends; it is killed after ``timeout`` seconds (``READY``)."""
        alarm = threading.Timer(READY if timeout is None else timeout, self.kill)
        alarm.start()
        try:
            return "".join(f"{line}\n" for line in self.lines())
        except BaseException:
            self.kill()
            raise
        finally:
            alarm.cancel()

    @property
    def exit_code(self) -> int | None:
        """Its exit code, None while it is alive; negative for the number of the signal that ended it."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait until it has ended, and return its exit code."""
        return self._process.wait()

    def kill(self) -> None:
        """Kill it as by ``kill -9``, and wait until it has ended."""
        self._process.kill()
        self._process.wait()

    def close_input(self) -> None:
        """Tell it to leave."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def stop(self) -> int:
        """Tell it to leave, wait until it has, and kill it after ``GRACE``. Return its exit code."""
        self.close_input()
        try:
            code = self._process.wait(GRACE)
        except BaseException as error:
            self.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code = self._process.returncode
        for reader in self._readers:  # they end with the last process that has the pipes
            reader.join(0.1)
        return code

    def _read(self, is_output: bool, pipe: IO[str]) -> None:
        """Read a pipe as long as there is somebody at its other end, so that it never waits for a reader."""
        with contextlib.suppress(OSError, ValueError), pipe:
            for line in pipe:
                self._said.append(line)
                self._lines.put((is_output, line.rstrip("\n")))
                if self._lines.qsize() > _UNREAD and self._lines.get() is None:
                    self._lines.put(None)  # the other pipe's end is not to be forgotten
        self._lines.put(None)

    def _next(self, end: float | None = None) -> tuple[bool, str] | None:
        """Return the next line, None for the last. Raises queue.Empty when ``end`` comes first."""
        while self._open:
            left = None if end is None else max(0, end - time.monotonic())
            if (found := self._lines.get(timeout=left)) is not None:
                return found
            self._open -= 1
        return None


def start(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Program:
    """Start ``python -m module arguments...``. ``env`` is added to our own environment."""
    env = {**(env or {}), _PARENT: str(os.getpid())}
    return run([sys.executable, "-u", "-m", module, *arguments], env=env)


def run(command: list[str], env: Mapping[str, str] | None = None) -> Program:
    """Start any command in the same way."""
    own_group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **PLAIN, **(env or {})},
        encoding="utf-8",
        errors="replace",
        **own_group,
    )
    return Program(process)


def ask(module: str, *arguments: str) -> Any:
    """Run a program that measures something and return its answer, a line of JSON.

    Raises RuntimeError, with what the program said, when it fails.
    """
    program = start(module, *arguments)
    try:
        lines = program.output().splitlines()
    finally:
        code = program.stop()
    answers = [line for line in lines if line.startswith(_ANSWER)]
    if code or not answers:
        raise RuntimeError(f"the program {' '.join([module, *arguments])} failed:\n" + "\n".join(lines))
    return json.loads(answers[-1].removeprefix(_ANSWER))


def answer(measure: Callable[..., object], *arguments: object) -> None:
    """In such a program: measure, and print the answer. Leave when nobody waits for it any more."""
    when_input_closes(lambda: os._exit(1))
    print_answer(measure(*arguments))


def print_answer(value: object) -> None:
    """In such a program: print the answer so that ``ask`` finds it among other lines."""
    print(_ANSWER + json.dumps(value), flush=True)


_ANSWER = "answer: "


def when_input_closes(leave: Callable[[], object]) -> None:
    """In a program that ``start`` started: call ``leave`` in a thread when the other side is gone.

    That is when standard input closes; where another child of our parent has inherited its end of the pipe,
    which keeps it open, it is when the parent has ended (on POSIX; on Windows, children inherit no pipes).
    """
    parent = int(os.environ.pop(_PARENT, os.getppid()))  # which may have ended before we come here

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.name != "posix" or os.getppid() == parent:
                if os.name == "posix" and not select.select([0], [], [], _PARENT_CHECK)[0]:
                    continue
                if not os.read(0, 4096):
                    break
        leave()

    threading.Thread(target=watch, daemon=True).start()


def interrupt_once(*_: object) -> None:
    """Interrupt the main thread, as the handler of a signal; those that follow find it leaving already.

    They get a handler that does nothing. Python complains of one that comes while it is being ignored.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: None)
    raise KeyboardInterrupt


def interrupt_myself() -> None:
    """End the main thread's waiting by the interrupt that Ctrl-C would be."""
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
