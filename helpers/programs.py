"""Other Python programs, started from here: they report when they are ready, and never outlive us.

A program runs in a session of its own, so that interrupting a cell does not interrupt it. In return it
watches its standard input, which closes when we end for whatever reason, and then leaves.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

GRACE = 1.5  # seconds that a program has to leave before it is killed
READY = 30  # seconds that a program has to say that it is ready, on a very busy computer


def start(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``python -m module arguments...`` with its input and output as pipes, errors in the output.

    ``env`` is added to our own environment.
    """
    own_group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        [sys.executable, "-u", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})},
        encoding="utf-8",
        **own_group,
    )


def first_line(program: subprocess.Popen[str]) -> str:
    """Return the program's first line, "" when it ended without one; kill it when it takes too long."""
    assert program.stdout is not None
    return _in_time(program, program.stdout.readline).rstrip("\n")


def output(program: subprocess.Popen[str]) -> str:
    """Return all that the program says until it ends; kill it when it takes too long.

    Its input stays open meanwhile: ``program.communicate`` would close it, and so tell it to leave.
    """
    assert program.stdout is not None
    return _in_time(program, program.stdout.read)


def _in_time(program: subprocess.Popen[str], read: Callable[[], str]) -> str:
    alarm = threading.Timer(READY, program.kill)
    alarm.start()
    try:
        return read()
    except BaseException:
        program.kill()
        raise
    finally:
        alarm.cancel()


def stop(program: subprocess.Popen[str], *, close: bool = True) -> int:
    """Close the program's input and wait until it has left; kill it after ``GRACE``. Return its exit code.

    ``close`` is False where somebody still reads what the program said.
    """
    if program.stdin:
        with contextlib.suppress(OSError):
            program.stdin.close()
    try:
        code = program.wait(GRACE)
    except BaseException as error:
        program.kill()
        code = program.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
    if close and program.stdout:
        program.stdout.close()
    return code


def ask(module: str, *arguments: str) -> Any:
    """Run a program that measures something and return its answer, the last line that it prints, from JSON.

    Raises RuntimeError, with what the program said, when it fails.
    """
    program = start(module, *arguments)
    try:
        text = output(program)
    finally:
        code = stop(program)
    if code:
        raise RuntimeError(f"the program {' '.join([module, *arguments])} failed:\n{text}")
    return json.loads(text.splitlines()[-1])


def answer(measure: Callable[..., object], *arguments: object) -> None:
    """In such a program: measure, and print the answer. Leave when nobody waits for it any more."""
    when_input_closes(lambda: os._exit(1))
    print(json.dumps(measure(*arguments)), flush=True)


def when_input_closes(leave: Callable[[], object]) -> None:
    """In a program that ``start`` started: call ``leave`` in a thread when the other side is gone."""

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        leave()

    threading.Thread(target=watch, daemon=True).start()


def interrupt_once(*_: object) -> None:
    """Interrupt the main thread, as the handler of a signal; those that follow find it leaving already.

    They get a handler that does nothing. Python complains of one that comes while it is being ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt


def interrupt_myself() -> None:
    """End the main thread's waiting by the interrupt that Ctrl-C would be."""
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
