"""Programs that start well, badly or never, and leave when told, late or only when killed."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from helpers import programs

HOME = Path(programs.__file__).parents[1]
POSIX = os.name == "posix"
STUBBORN = "import threading; print('ready'); threading.Event().wait()"
OBEDIENT = "import sys; print('ready'); sys.stdin.read(); sys.exit(5)"


@pytest.fixture
def start(tmp_path):
    """Start a program given as text; all that are left are killed in the end."""
    started = []

    def start(text, *arguments, **env):
        (tmp_path / "guest.py").write_text(text, encoding="utf-8")
        path = os.pathsep.join([str(tmp_path), str(HOME)])
        started.append(programs.start("guest", *arguments, env={"PYTHONPATH": path, **env}))
        return started[-1]

    yield start
    for program in started:
        with program:
            program.kill()


def is_killed(exit_code):
    return exit_code == -signal.SIGKILL if POSIX else exit_code != 0


def test_a_program_gets_its_arguments_and_variables(start):
    program = start("import os, sys; print(*sys.argv[1:], os.environ['COLOUR'])", "one", "two", COLOUR="blue")
    assert programs.first_line(program) == "one two blue"
    assert programs.stop(program) == 0


def test_a_program_keeps_our_variables(start, monkeypatch):
    monkeypatch.setenv("COLOUR", "green")
    assert programs.first_line(start("import os; print(os.environ['COLOUR'])")) == "green"


def test_text_is_utf8_whatever_the_system_says(start):
    assert (
        programs.first_line(start("print('\u03c0 \u2248 3')", LC_ALL="C", PYTHONUTF8="0"))
        == "\u03c0 \u2248 3"
    )


def test_its_error_message_is_its_first_line(start):
    assert programs.first_line(start("raise SystemExit('no such host')")) == "no such host"


def test_the_first_line_of_one_that_dies_is_empty(start):
    program = start("raise SystemExit(3)")
    assert programs.first_line(program) == ""
    assert programs.stop(program) == 3


def test_one_that_never_gets_ready_is_killed(start, monkeypatch):
    monkeypatch.setattr(programs, "READY", 0.2)
    program = start("import threading; threading.Event().wait()")
    assert programs.first_line(program) == ""
    assert is_killed(program.wait(10))


def test_one_that_is_ready_in_time_is_not_killed(start):
    program = start(OBEDIENT)
    assert programs.first_line(program) == "ready"
    assert program.poll() is None
    assert programs.stop(program) == 5
    assert programs.stop(program) == 5  # a second time changes nothing


def test_one_that_does_not_leave_is_killed(start, monkeypatch):
    monkeypatch.setattr(programs, "GRACE", 0.2)
    program = start(STUBBORN)
    assert programs.first_line(program) == "ready"
    assert is_killed(programs.stop(program))


@pytest.mark.skipif(not POSIX, reason="Windows has no sessions")
def test_it_has_a_session_of_its_own(start):
    program = start(OBEDIENT)
    assert programs.first_line(program) == "ready"
    assert os.getsid(program.pid) == program.pid != os.getsid(0)


def test_it_notices_that_its_input_closes(start):
    program = start(
        "import os, threading; from helpers import programs\n"
        "programs.when_input_closes(lambda: os._exit(7)); print('ready'); threading.Event().wait()"
    )
    assert programs.first_line(program) == "ready"
    program.stdin.write("this is no end\n")
    program.stdin.flush()
    assert program.poll() is None
    assert programs.stop(program) == 7


@pytest.mark.skipif(not POSIX, reason="on Windows an interrupt does not end every kind of waiting")
def test_it_can_interrupt_its_own_waiting(start):
    program = start(
        "import sys, threading; from helpers import programs\n"
        "programs.when_input_closes(programs.interrupt_myself)\n"
        "try: print('ready'); threading.Event().wait()\n"
        "except KeyboardInterrupt: sys.exit(8)"
    )
    assert programs.first_line(program) == "ready"
    assert programs.stop(program) == 8


def test_it_ends_with_a_starter_that_is_killed(start):
    """The guest starts a program that is connected to us: the connection ends when that program does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        starter = start(
            "import os, socket, sys, threading; from helpers import programs\n"
            "if sys.argv[1:]:\n"
            "    line = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
            "    programs.when_input_closes(lambda: os._exit(0)); threading.Event().wait()\n"
            f"kept = programs.start('guest', '{port}'); print('ready'); threading.Event().wait()"
        )
        assert programs.first_line(starter) == "ready"
        line, _ = server.accept()
        with line:
            starter.kill()
            line.settimeout(2)
            try:
                assert line.recv(1) == b""
            except ConnectionResetError:
                assert sys.platform == "win32"
