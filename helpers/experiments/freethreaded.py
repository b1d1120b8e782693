"""The same experiment in another Python on this computer: one without a GIL, where there is one.

    if python := freethreaded.find():
        trace = freethreaded.run([jobs.pi_sum] * 8, "threads", workers=2, python=python)

The other Python has none of the packages that are installed for this one. It needs none: ``jobs``, ``ways``
and ``traces`` import the standard library only, and are found by the folder that they are in.
"""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import helpers
from helpers import programs
from helpers.clocked import Job
from helpers.traces import Trace

_VERSIONS = ("3.15t", "3.14t", "3.13t")  # those that have such a build, the newest first
_ASK = "import sys, sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sys.executable)"
_PROGRAM = """
import os, pickle, sys
sys.path.insert(0, sys.argv[1])
import helpers
from helpers import programs, ways
if __name__ == "__main__":
    programs.when_input_closes(lambda: os._exit(1))
    print("trace", pickle.dumps(ways.run(*pickle.loads(bytes.fromhex(sys.argv[2])))).hex(), flush=True)
"""


def find() -> str | None:
    """Return the path of a Python without a GIL, None where there is none.

    First comes the one that the environment variable HELPERS_FREE_THREADED names, then the one that runs
    this, then those on the PATH, such as python3.14t, and those that Windows's launcher ``py`` knows.
    """
    for command in _candidates():
        try:
            asked = subprocess.run([*command, "-I", "-c", _ASK], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            continue
        without_gil, _, path = asked.stdout.strip().partition(" ")
        if without_gil == "1":
            return path
    return None


def lacks() -> str:
    """Say in a few words that there is no such Python; "" when there is. For the ``needs`` of a claim."""
    return "" if find() else f"needs a free-threaded Python, such as python{_VERSIONS[1]}, on the PATH"


def run(jobs: Sequence[Job], way: str, workers: int = 1, *, python: str) -> Trace:
    """Do what ``ways.run`` does, in another Python, 3.11 or later; it is a process of its own and ends.

    The jobs have to come from ``helpers`` or the standard library. Raises RuntimeError with what the other
    Python had to say when it fails or takes over ``programs.READY`` seconds, OSError when it cannot start.
    """
    order = pickle.dumps((list(jobs), way, workers)).hex()
    home = str(Path(helpers.__file__).parent.parent)
    program = programs.run([python, "-I", "-c", _PROGRAM, home, order])
    try:
        trace: Trace = pickle.loads(bytes.fromhex(program.line("trace ").removeprefix("trace ")))
        return trace
    except programs.ProgramFailed as error:
        code = program.stop()
        raise RuntimeError(f"{python} ended with exit code {code}: {program.said() or error}") from None
    finally:
        program.stop()


def _candidates() -> Iterator[list[str]]:
    """Yield commands that may start such a Python."""
    if named := os.environ.get("HELPERS_FREE_THREADED"):
        yield [named]
    yield [sys.executable]
    for version in _VERSIONS:
        if found := shutil.which(f"python{version}"):
            yield [found]
        if sys.platform == "win32" and shutil.which("py"):
            yield ["py", f"-V:{version}"]
