"""run.py as a reader meets it: started as a program in a copy of the checkout, here without a network."""

import ast
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Stands in for pip and for pytest in a copy's .venv: it notes how it was called and does as it is told.
STAND_IN = """
import os, sys, time
print("called", *sys.argv[1:], flush=True)
time.sleep(float(os.environ.get("STAND_IN_SLEEPS", 0)))
if code := int(os.environ.get("STAND_IN_EXITS", 0)):
    print("ERROR: told to fail", file=sys.stderr)
sys.exit(code)
"""


def start(copy: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start a copy's run.py from another folder."""
    command = [sys.executable, str(copy / "run.py"), *arguments]
    # UTF-8, because Windows would not print the copy's name otherwise.
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    return subprocess.Popen(
        command, cwd=copy.parent, env={**os.environ, "PYTHONUTF8": "1", **variables}, **pipes
    )


def run(copy: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run a copy's run.py to its end and return its exit code, output and errors."""
    child = start(copy, *arguments, **variables)
    output, errors = child.communicate(timeout=60)
    return child.returncode, output, errors


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    """Check for exit code 2 and one line, "what is wrong: what to do", with these words in it."""
    code, _, errors = result
    assert code == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith("run.py: ")
    assert errors.count(": ") >= 2
    for word in words:
        assert word in errors


@pytest.fixture
def copy(tmp_path):
    """Return a folder with spaces and letters beyond ASCII, with all in it that run.py needs to start."""
    folder = tmp_path / "a chëckout 鎖"
    folder.mkdir()
    for name in ("run.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def ready(copy):
    """Return a copy with a .venv in which pip and pytest are stand-ins, so that it needs no network."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", copy / ".venv"], check=True)
    packages = next((copy / ".venv").rglob("site-packages"))
    for name in ("pip", "pytest"):
        (packages / f"{name}.py").write_text(f"if __name__ == '__main__':\n    exec({STAND_IN!r})")
    return copy


@pytest.mark.parametrize("arguments", [(), ("frobnicate",)])
def test_an_unknown_or_missing_verb_shows_the_usage(copy, arguments):
    code, _, errors = run(copy, *arguments)
    assert code == 2
    assert "lab | test | bench | refresh" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("version", [(3, 6), (3, 10)])
def test_an_old_python_is_refused(version, capsys):
    check_python = runpy.run_path(str(ROOT / "run.py"))["check_python"]
    with pytest.raises(SystemExit) as end:
        check_python(version)
    assert_refused((end.value.code, "", capsys.readouterr().err), f"Python 3.{version[1]}", "3.11")
    check_python((3, 11))


def test_an_old_python_can_parse_run():
    ast.parse((ROOT / "run.py").read_text("utf-8"), feature_version=(3, 7))


def test_a_python_without_ensurepip_is_refused(copy, tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ModuleNotFoundError(\"No module named 'ensurepip'\")")
    assert_refused(run(copy, "test", PYTHONPATH=str(tmp_path)), "ensurepip", "python3-venv")
    assert not (copy / ".venv").exists()  # So the next start, with python3-venv there, succeeds.


def test_a_broken_environment_is_named(copy):
    (copy / ".venv").mkdir()
    assert_refused(run(copy, "test"), str(copy / ".venv"), "delete")


def test_a_half_made_environment_is_named(ready):
    next((ready / ".venv").rglob("pip.py")).unlink()
    assert_refused(run(ready, "test"), str(ready / ".venv"), "delete")


def test_a_removed_interpreter_is_named(ready):
    for python in (ready / ".venv").rglob("python*"):
        if python.is_file():
            python.unlink()
    assert_refused(run(ready, "test"), str(ready / ".venv"), "delete")


def test_a_folder_that_cannot_be_made_is_named(copy):
    (copy / ".venv").write_text("a file is in the way")
    assert_refused(run(copy, "test"), str(copy / ".venv"), "folder")


def test_no_network(copy):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    assert_refused(run(copy, "test", **nowhere, PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL=""), "pip", "network")
    assert not (copy / ".venv" / "installed.txt").exists()


@pytest.mark.parametrize("form", ["--port {}", "--port={}"])
def test_a_port_in_use_is_refused(copy, form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert_refused(run(copy, "lab", *form.format(port).split()), f"port {port}", "--port")


def test_the_second_start_skips_pip(ready):
    assert run(ready, "test", "-x")[1].splitlines()[1:] == [
        "called install --quiet --no-compile -c constraints.txt -e .[test]",
        "called -x",
    ]
    assert run(ready, "test", "-x")[1].splitlines() == ["called -x"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_dependency_is_installed(ready, name):
    run(ready, "test", "-x")
    with (ready / name).open("a") as file:
        file.write("# changed\n")
    assert "called install" in run(ready, "test", "-x")[1]


def test_what_the_tests_need_suffices_for_lab(ready):
    assert "-c constraints.txt -e .\n" in run(ready, "lab")[1]
    assert "-c constraints.txt -e .[test]\n" in run(ready, "test", "-x")[1]
    assert "called install" not in run(ready, "lab")[1]


def test_a_failed_installation_is_not_believed(ready):
    assert_refused(run(ready, "test", "-x", STAND_IN_EXITS="1"), "told to fail")
    assert "called install" in run(ready, "test", "-x")[1]


def test_the_exit_code_of_pytest_is_returned(ready):
    run(ready, "test", "-x")
    assert run(ready, "test", "-x", STAND_IN_EXITS="5")[0] == 5


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process alone")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_is_not_believed(ready, ending):
    child = start(ready, "test", "-x", STAND_IN_SLEEPS="60")
    assert child.stdout.readline().startswith("Installing")
    assert child.stdout.readline().startswith("called install")
    child.send_signal(ending)
    output, errors = child.communicate(timeout=10)
    assert (child.returncode, output, errors) == (130, "", "")
    assert "called install" in run(ready, "test", "-x")[1]


def test_a_missing_notebook_is_named(ready):
    assert_refused(run(ready, "refresh", "no such.ipynb"), "no such.ipynb")
