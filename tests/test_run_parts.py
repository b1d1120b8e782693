"""run.py's parts of the suite, side by side: what fails is seen at once, and an interrupt ends all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from queue_helpers import gone

ROOT = Path(__file__).parent.parent
ENDINGS = [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
START = """
import pathlib, sys
import run
run.install, run.PYTHON = lambda extra: None, pathlib.Path(sys.executable)
options, paths = ["-c", sys.argv[1], "-p", "no:nbval", "-p", "no:hypothesispytest"], sys.argv[2:]
run.parts, sys.argv[1:] = lambda: [[*options, path] for path in paths], ["test"]
sys.exit(run.main())
"""
FAILS = r"""
import os
def test_fails():
    os.write(2, b"no UTF-8: \xff\n")
    assert 1 == 2, "the reason"
def test_passes():
    pass
"""
PASSES = """
def test_passes():
    pass
"""
WAITS = """
import subprocess, sys, time
def test_waits(capfd):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    try:
        with capfd.disabled():
            print(f"waits {child.pid} ", flush=True)  # in one piece, as others print too
        time.sleep(99)
    finally:
        child.kill()
"""


def start(tmp_path: Path, **parts: str) -> subprocess.Popen[str]:
    """Start ``run.py test`` with these parts, each of which is one file of tests with few plugins."""
    paths = [tmp_path / f"test_{name}.py" for name in parts]
    for path, code in zip(paths, parts.values(), strict=True):
        path.write_text(code)
    settings = tmp_path / "pytest.ini"
    settings.write_text(f"[pytest]\npythonpath = '{ROOT / 'tests'}'")
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    return subprocess.Popen([sys.executable, "-c", START, settings, *paths], cwd=ROOT, env=env, **pipes)


def test_the_exit_code_and_the_summaries_are_those_of_all_parts(tmp_path):
    with start(tmp_path, passes=PASSES, also=PASSES) as child:
        printed = child.stdout.read()
    assert child.returncode == 0, printed
    assert printed.count("\n1 passed in ") == 2
    with start(tmp_path, fails=FAILS, passes=PASSES) as child:
        printed = child.stdout.read()
    assert child.returncode == 1
    assert "\n1 failed, 1 passed in " in printed
    assert "\n1 passed in " in printed
    assert "\nno UTF-8: \ufffd\n" in printed


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process alone")
@pytest.mark.parametrize("ending", ENDINGS)
def test_failures_are_seen_at_once_and_an_interrupt_ends_all_parts(tmp_path, ending):
    with start(tmp_path, waits=WAITS, fails=FAILS, broken="import nowhere") as child:
        expected = ["test_fails.py::test_fails", "AssertionError: the reason", "No module named 'nowhere'"]
        printed = ""
        while not all(words in printed for words in ["waits ", "1 failed, 1 passed in ", *expected]):
            line = child.stdout.readline()
            assert line, printed
            printed += line
        waiting = int(printed.partition("waits ")[2].split()[0])
        child.send_signal(ending)
        began = time.monotonic()
        printed += child.stdout.read()  # to the end, so that nobody else holds the pipe
    assert time.monotonic() - began < 20
    assert child.returncode == 130
    assert gone(waiting)
