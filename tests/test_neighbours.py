"""What other programs do meanwhile, and that ``run.py refresh`` stores nothing that they have disturbed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import neighbours

ROOT = Path(__file__).parent.parent
SPIN = "print(flush=True)\nwhile True: pass"
REFRESH = """
import pathlib, sys
import run
run.install, run.save_picture = lambda extra: None, lambda: None
run.PYTHON, run.PATIENCE = pathlib.Path(sys.executable), float(sys.argv.pop(1))
{}
sys.exit(run.main())
"""


@contextmanager
def busy(mark: str) -> Iterator[int]:
    """Keep a core busy by a program with this mark."""
    env = os.environ | {neighbours.MARK: mark}
    with subprocess.Popen([sys.executable, "-c", SPIN], env=env, stdout=subprocess.PIPE) as program:
        try:
            program.stdout.readline()
            yield program.pid
        finally:
            program.kill()


def used_by(pid: int, mark: str) -> float | None:
    """Return the CPU seconds of a process, if it is none of those with this mark."""
    used = neighbours._used(mark, set())
    return next((seconds for (number, _), seconds in used.items() if number == pid), None)


def test_a_busy_program_is_a_neighbour_unless_it_has_our_mark():
    with busy("of another run") as pid:
        assert used_by(pid, "ours") is not None
        assert used_by(pid, "of another run") is None


def test_a_neighbour_keeps_a_core_busy():
    ends = iter([False, True])
    with busy("of another run"):
        found = neighbours.cores_busy("ours", lambda seconds: time.sleep(seconds) or next(ends))
    assert found > 0.3, "on the busiest computer"


@pytest.mark.parametrize(
    ("used", "expected"),
    [([0, 1, 2, 3, 4], 2.0), ([0, 0, 0, 0, 0, 2, 2, 2, 2], 1.0), ([0, 0.5], 1.0), ([0] * 9, 0.0)],
)
def test_the_busiest_two_seconds_count(monkeypatch, used, expected):
    """By a doctored clock and doctored readings, half a second apart."""
    moments, readings = iter(range(99)), iter(used)
    monkeypatch.setattr(neighbours.time, "monotonic", lambda: next(moments) / 2)
    monkeypatch.setattr(neighbours, "_used", lambda mark, ours: {(1, 0.0): next(readings)})
    ends = iter([False] * (len(used) - 2) + [True])
    assert neighbours.cores_busy("ours", lambda seconds: next(ends)) == expected


def test_a_program_that_starts_or_ends_between_two_readings_is_not_counted(monkeypatch):
    readings = iter([{(1, 0.0): 5.0}, {(2, 0.0): 9.0}])
    monkeypatch.setattr(neighbours, "_used", lambda mark, ours: next(readings))
    assert neighbours.cores_busy("ours", lambda seconds: True) == 0.0


def refresh(patch: str, patience: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``run.py refresh`` with something replaced in it."""
    command = [sys.executable, "-c", REFRESH.format(patch), str(patience), "refresh", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_refresh_refuses_a_busy_computer_and_says_what_to_do(tmp_path):
    notebook = tmp_path / "a.ipynb"
    notebook.write_text("as it was")
    with busy("of another run"):
        done = refresh("", 0, str(notebook))
    assert (done.returncode, notebook.read_text()) == (2, "as it was")
    assert done.stderr.startswith("run.py: other programs keep ")
    assert done.stderr.endswith("end them and run again, or add --anyway\n")


DISTURBED = """
figures = iter({})
run.execute = lambda path: path.write_text("new") > 0
run.beside_neighbours = lambda act: (act(), next(figures))
run.time.sleep = lambda seconds: None
"""


@pytest.mark.parametrize(
    ("figures", "arguments", "stored", "code"),
    [
        ([0.0, 0.0], [], "new", 0),  # idle before, and meanwhile
        ([0.9, 0.0, 0.1], [], "new", 0),  # it waits first
        ([0.0, 0.9, 0.0, 0.1], [], "new", 0),  # it repeats
        ([0.0, 0.9] * 3, [], "as it was", 1),  # disturbed each time
        ([], ["--anyway"], "new", 0),
    ],
)
def test_refresh_waits_for_neighbours_and_repeats_what_they_disturb(
    tmp_path, figures, arguments, stored, code
):
    notebook = tmp_path / "a.ipynb"
    notebook.write_text("as it was")
    done = refresh(DISTURBED.format(figures), 60, str(notebook), *arguments)
    assert (notebook.read_text(), done.returncode) == (stored, code), done.stderr


def test_the_program_measures_until_its_input_is_closed():
    command = [sys.executable, "-m", "helpers.neighbours", "ours"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30)
    assert float(done.stdout) >= 0
