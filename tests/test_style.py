"""The form and the types of the code are what pyproject.toml asks for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = ["helpers", "tests", "benchmarks", "teaching", "conftest.py", "run.py", "notebooks"]


def assert_clean(*command: str) -> None:
    """Run a tool in the checkout; what it has to say is the test's message."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing():
    assert_clean("ruff", "check", *PLACES)


def test_ruff_would_format_it_the_same():
    assert_clean("ruff", "format", "--check", *PLACES)


def test_mypy_finds_nothing():
    assert_clean("mypy")
