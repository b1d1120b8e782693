"""Programs that start well, badly or never, and leave when told, late or only when killed."""

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest
from queue_helpers import GONE, gone, until

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
        program.kill()
        program.stop()


def is_killed(exit_code):
    return exit_code == -signal.SIGKILL if POSIX else exit_code != 0


def test_a_program_gets_its_arguments_and_variables(start):
    program = start("import os, sys; print(*sys.argv[1:], os.environ['COLOUR'])", "one", "two", COLOUR="blue")
    assert program.line() == "one two blue"
    assert program.stop() == 0


def test_a_program_keeps_our_variables(start, monkeypatch):
    monkeypatch.setenv("COLOUR", "green")
    assert start("import os; print(os.environ['COLOUR'])").line() == "green"


def test_text_is_utf8_whatever_the_system_says(start):
    assert start("print('\u03c0 \u2248 3')", LC_ALL="C", PYTHONUTF8="0").line() == "\u03c0 \u2248 3"


NOISE = "import sys; print('a warning', flush=True); print('{error', file=sys.stderr, flush=True); "


def test_noise_before_the_line_is_passed_over_and_errors_are_never_taken_for_it(start):
    program = start(NOISE + "print('{ready}', flush=True); sys.stdin.read()")
    assert program.line("{") == "{ready}"
    assert until(lambda: {"a warning", "{error"} <= set(program.said().splitlines()))


def test_of_what_nobody_reads_the_latest_lines_are_kept(start, monkeypatch):
    monkeypatch.setattr(programs, "_UNREAD", 100)
    program = start("import sys; print('an error', file=sys.stderr)\nfor n in range(5000): print(n)")
    program.wait()
    assert until(lambda: program.said().endswith("4999"))
    lines = list(program.lines())
    assert len(lines) <= 101
    assert lines[-1] == "4999"


@pytest.mark.parametrize(
    "noise",
    [
        {"PYTHONWARNINGS": "ignore::not_there.Warning"},
        {"LD_PRELOAD": "/not_there.so"},
        {"PYTHONPROFILEIMPORTTIME": "1"},
    ],
    ids=lambda noise: next(iter(noise)),
)
def test_what_the_loader_or_python_complains_of_is_passed_over(start, noise):
    assert start("print('{}')", **noise).line("{") == "{}"


def test_its_error_message_is_the_error(start):
    with pytest.raises(programs.ProgramFailed, match=r"^no such host$"):
        start("raise SystemExit('no such host')").line()


def test_one_that_dies_without_a_word_says_how(start):
    program = start("raise SystemExit(3)")
    with pytest.raises(programs.ProgramFailed, match=r"^it ended with exit code 3 and said nothing$"):
        program.line()
    assert program.stop() == 3


def test_one_that_never_gets_ready_is_killed(start):
    program = start(NOISE + "sys.stdin.read()")
    with pytest.raises(
        programs.ProgramFailed, match=r"^it was not ready within 0\.5 s; (a warning|\{error)$"
    ):
        program.line("{", timeout=0.5)
    assert is_killed(program.exit_code)


def test_one_that_is_ready_in_time_is_not_killed(start):
    program = start(OBEDIENT)
    assert program.line() == "ready"
    assert program.exit_code is None
    assert program.stop() == 5
    assert program.stop() == 5  # a second time changes nothing


def test_one_that_does_not_leave_is_killed(start, monkeypatch):
    monkeypatch.setattr(programs, "GRACE", 0.2)
    program = start(STUBBORN)
    assert program.line() == "ready"
    assert is_killed(program.stop())


def test_all_that_it_says_is_there_line_by_line(start):
    program = start("import sys; print('out'); print('error', file=sys.stderr)")
    assert sorted(program.lines()) == ["error", "out"]
    assert program.wait() == 0
    assert list(program.lines()) == []


def test_its_pipes_are_closed(start, recwarn):
    program = start(OBEDIENT)
    program.line()
    program.stop()
    assert all(
        pipe.closed for pipe in (program._process.stdin, program._process.stdout, program._process.stderr)
    )


@pytest.mark.skipif(not POSIX, reason="Windows has no sessions")
def test_it_has_a_session_of_its_own(start):
    program = start(OBEDIENT)
    assert program.line() == "ready"
    assert os.getsid(program.pid) == program.pid != os.getsid(0)


def test_it_notices_that_its_input_closes(start):
    program = start(
        "import os, threading; from helpers import programs\n"
        "programs.when_input_closes(lambda: os._exit(7)); print('ready'); threading.Event().wait()"
    )
    assert program.line() == "ready"
    program._process.stdin.write("this is no end\n")
    program._process.stdin.flush()
    assert program.exit_code is None
    assert program.stop() == 7


@pytest.mark.skipif(not POSIX, reason="on Windows an interrupt does not end every kind of waiting")
def test_it_can_interrupt_its_own_waiting(start):
    program = start(
        "import sys, threading; from helpers import programs\n"
        "programs.when_input_closes(programs.interrupt_myself)\n"
        "try: print('ready'); threading.Event().wait()\n"
        "except KeyboardInterrupt: sys.exit(8)"
    )
    assert program.line() == "ready"
    assert program.stop() == 8


INHERITED = """
import os, sys, time
from helpers import programs
if sys.argv[1:]:
    programs.when_input_closes(lambda: os._exit(0))
    time.sleep(60)
child = programs.start("guest", "child")
sibling = os.fork() or time.sleep(60)
print(child.pid, sibling)
time.sleep(60)
"""


@pytest.mark.skipif(not POSIX, reason="on Windows children inherit no pipes")
def test_it_ends_with_its_parent_though_a_sibling_has_inherited_the_pipe(start):
    parent = start(INHERITED)
    child, sibling = (psutil.Process(int(pid)) for pid in parent.line().split())
    parent.kill()
    assert until(lambda: gone(child), within=GONE)
    sibling.kill()


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
        assert starter.line() == "ready"
        line, _ = server.accept()
        with line:
            starter.kill()
            line.settimeout(2)
            try:
                assert line.recv(1) == b""
            except ConnectionResetError:
                assert sys.platform == "win32"
