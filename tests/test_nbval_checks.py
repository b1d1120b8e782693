"""Bad notebooks, run by pytest as anyone would run it: each fault is noticed, by nbval or by our checks."""

import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import v4
from nbval_checks import excuses
from queue_helpers import gone

from helpers import machine

ROOT = Path(__file__).parent.parent

VERDICT = "F10a holds: it works"
LACKS = "needs=machine.lacks(cores_needed=machine.cores() + 1)"
COMPARED = {  # the code of a cell, the text that is stored, and whether it has to pass
    "same": (f"print({VERDICT!r})", VERDICT, True),
    "changed": ("print('F10a holds: it fails')", VERDICT, False),
    "silent": ("from helpers import claims, machine", VERDICT, False),
    "lacking": (f"claims.check('F10a', 'it works', True, {LACKS})", VERDICT, True),
    "lacking another": (f"claims.check('F10a', 'it works', True, {LACKS})", "F10a holds: it fails", False),
    "not confirmed": ("claims.check('F10a', 'it works', False, measured=3)", VERDICT, False),
    "not decided": ("claims.check('F10a', 'it works', None)", VERDICT, True),
    "refuted": ("claims.check('F10a', 'it works', True, refutes=True)", "F10a does not hold: it works", True),
    "refuted now": ("claims.check('F10a', 'it works', True, refutes=True)", VERDICT, False),
    "error": (f"print({VERDICT!r})\n1 / 0", VERDICT, False),
}
FAULTS = {  # what a cell does that has no stored output to compare with, and the words that say so
    "wrong magic": ("%nosuchmagic", "UsageError: Line magic function `%nosuchmagic` not found"),
    "excuse": (
        "print('F10a cannot be shown here (no wish): it works')",
        "not true of this computer: no wish",
    ),
    "not confirmed": (
        "print('F10a is not confirmed by this run: it works')",
        "F10a is not confirmed by this run: it works",
    ),
    "none": ("import os, sys, time; time.sleep(0.5)", ""),
    "no coverage": ("assert 'coverage' not in sys.modules and not [n for n in os.environ if 'COV' in n]", ""),
}
CHILD = "import socket, time; s = socket.create_server(('', 0)); print(s, flush=True); time.sleep(99)"
LEFT = f"""
import subprocess, sys, tempfile
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=-1, start_new_session=True)
child.stdout.readline()
open("left.txt", "w").close()
tempfile.mkstemp(".key")
"""
ENDLESS = "import time\nwhile True: time.sleep(0.1)"  # which leaves the cores to others
NOTEBOOKS = {
    "compared": [code for code, _, _ in COMPARED.values()],
    "faults": [code for code, _ in FAULTS.values()],
    "endless": [ENDLESS, "1"],
    "dead": ["import os; os._exit(1)", "1"],
    "left": [LEFT, "1"],
    "selected": ["1 / 0", "open('selected.txt', 'w').close()", "1 / 0"],
}
LIMIT = 5  # seconds for a cell

# The bounds of one run, and a notebook that is over each of them.
BOUNDS = "import nbval_checks\nnbval_checks.CELL, nbval_checks.NOTEBOOK, nbval_checks.HARD = 3, 4, 6"
SLOW = ["import time; time.sleep(3.2)", "1 + 1", "2 + 2", ENDLESS]

Outcomes = dict[tuple[str, int], str]


def validate(folder: Path, notebooks: dict[str, list[str]], *options: object) -> tuple[Outcomes, str]:
    """Run pytest, and return what it says of each cell, by notebook and number, and all that it prints.

    A cell that passed has an empty text; one that did not run is missing.
    """
    kernel = {"name": "python3", "display_name": "Python 3"}
    for name, codes in notebooks.items():
        cells = [v4.new_code_cell(code) for code in codes]
        if name == "compared":
            for cell, (_, stored, _) in zip(cells, COMPARED.values(), strict=True):
                cell.update(execution_count=1, outputs=[v4.new_output("stream", text=f"{stored}\n")])
        node = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(node, folder / f"{name}.ipynb")
    report = folder.with_suffix(".xml")  # beside the folder, in which nothing new may be
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *options]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    env["COVERAGE_FILE"] = str(folder.with_suffix(".coverage"))
    pipes = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    done = subprocess.run(command, cwd=ROOT, env=env, timeout=100, **pipes)
    assert done.returncode == 1, done.stdout + done.stderr
    found: Outcomes = defaultdict(str)
    for case in ElementTree.parse(report).iter("testcase"):
        notebook, cell = case.attrib["classname"].split(".")[-2], int(case.attrib["name"].split()[1])
        found[notebook, cell] += "".join(f"{problem.tag}: {problem.get('message')}" for problem in case)
    return dict(found), done.stdout


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """Make a folder within the checkout, so that pytest takes its settings and its conftest.py."""
    with tempfile.TemporaryDirectory(prefix=".run-", dir=ROOT) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def validated(checkout: Path) -> tuple[Outcomes, str]:
    """Run all these notebooks, a single cell of one, and with coverage, which has to spare the kernels."""
    folder = checkout / "all"
    folder.mkdir()
    chosen = [folder / f"{name}.ipynb" for name in NOTEBOOKS if name != "selected"]
    options = [f"--nbval-cell-timeout={LIMIT}", "--cov=helpers", "--cov-report="]
    return validate(folder, NOTEBOOKS, *options, f"{folder / 'selected.ipynb'}::Cell 1", *chosen)


@pytest.fixture(scope="module")
def slow(checkout: Path) -> Outcomes:
    """Run a notebook that is too slow for its bounds."""
    folder = checkout / "slow"
    folder.mkdir()
    (folder / "conftest.py").write_text(BOUNDS)
    return validate(folder, {"slow": SLOW}, folder)[0]


@pytest.mark.parametrize("name", COMPARED)
def test_outputs_are_compared(validated, name):
    outcome = validated[0]["compared", list(COMPARED).index(name)]
    assert outcome == "" if COMPARED[name][2] else outcome.startswith("failure: ")


def test_an_error_is_named(validated):
    assert "ZeroDivisionError" in validated[0]["compared", list(COMPARED).index("error")]


@pytest.mark.parametrize("name", FAULTS)
def test_faults_without_an_output_to_compare(validated, name):
    code, words = FAULTS[name]
    outcome = validated[0]["faults", list(FAULTS).index(name)]
    assert (words in outcome and code in outcome) if words else outcome == ""


def test_an_endless_cell_is_ended(validated):
    assert f"Timeout of {LIMIT} seconds exceeded" in validated[0]["endless", 0]
    assert ENDLESS in validated[0]["endless", 0]


def test_a_dead_kernel_is_noticed_at_once(validated):
    outcomes, printed = validated
    assert "The kernel died" in outcomes["dead", 0]
    assert "os._exit(1)" in outcomes["dead", 0]
    assert outcomes["dead", 1] != ""
    assert float(re.search(r"dead\.ipynb: .* the slowest cell 0: (.*) s", printed)[1]) < LIMIT


def test_leftovers_are_found_and_ended(validated):
    outcomes, _ = validated
    assert outcomes["left", 0] == ""
    process = re.search(r"Left behind: process (\d+), ports \[\d+\]", outcomes["left", 1])
    assert gone(int(process[1]))
    assert "Left in the folder of the notebook: left.txt" in outcomes["left", 1]
    assert re.search(r"Left in the temporary folder: \w+\.key", outcomes["left", 1])
    assert outcomes["left", 1].count("Left ") == 3


def test_one_cell_alone_is_looked_after(validated):
    outcomes, _ = validated
    assert [cell for notebook, cell in outcomes if notebook == "selected"] == [1]
    assert "Left in the folder of the notebook: selected.txt" in outcomes["selected", 1]


def test_times_are_printed(validated):
    line = r"\nfaults\.ipynb: (.*) s, the slowest cell (.*): (.*) s\n"
    total, cell, longest = re.search(line, validated[1]).groups()
    assert float(total) >= float(longest) >= 0.5
    assert int(cell) == list(FAULTS).index("none")


def test_slow_cells_and_notebooks_are_named(slow):
    assert re.search(r"^failure: (?s:.*)It took [\d.]+ s, more than 3 s", slow["slow", 0])
    assert (slow["slow", 1], slow["slow", 2]) == ("", "")
    assert re.search("Timeout of [123] seconds exceeded", slow["slow", 3])
    assert re.search(r"error: (?s:.*)slow.ipynb\nIt took [\d.]+ s, more than 4 s", slow["slow", 3])


def test_excuses_must_be_true():
    more, fewer = machine.cores() + 1, max(1, machine.cores() - 1)
    have = f"this process may use {machine.cores()}"
    lines = [f"needs {more} cores, {have}", f"needs {fewer} cores, {have}", "no wish"]
    printed = "".join(f"F10 cannot be shown here ({reason}): it works\n" for reason in lines)
    assert excuses(printed) == lines[1:]
    assert excuses("F10 cannot be shown here (this system cannot start processes by magic): x") == []
    assert excuses("F10 cannot be shown here (this system cannot start processes by spawn): x") != []
