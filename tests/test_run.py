"""run.py as a reader meets it: started as a program in a copy of the checkout, here without a network."""

import ast
import functools
import http.server
import io
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pip
import pytest

ROOT = Path(__file__).parent.parent
ENDINGS = [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]

# Stands in for pip and for pytest in a copy's .venv: it notes how it was called and does as it is told.
STAND_IN = """
import os, sys, time
if sys.argv[1:] != ["config", "list"]:
    with open("calls.txt", "a") as calls:
        print(*sys.argv[1:], file=calls)
    print(os.environ.get("STAND_IN_SAYS", ""), flush=True)
    time.sleep(float(os.environ.get("STAND_IN_SLEEPS", 0)))
    sys.exit(int(os.environ.get("STAND_IN_EXITS", 0)))
"""

# The backend by which pip installs the package of an offline copy.
BACKEND = """
import zipfile
def build_editable(folder, *others):
    with zipfile.ZipFile(f"{folder}/series-1-py3-none-any.whl", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(f"series-1.dist-info/{name}", text)
    return "series-1-py3-none-any.whl"
FILES = {
    "METADATA": "Metadata-Version: 2.1\\nName: series\\nVersion: 1\\nRequires-Dist: needed",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any",
    "RECORD": "",
}
"""
BACKEND_TABLE = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


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
    output, errors = child.communicate(timeout=100)
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


@pytest.fixture
def offline(copy, tmp_path, monkeypatch):
    """Return a copy with pip, whose package needs one other, looked for in an index of our own alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", copy / ".venv"], check=True)
    packages = next((copy / ".venv").rglob("site-packages"))
    shutil.copytree(Path(pip.__file__).parent, packages / "pip")
    (copy / "backend.py").write_text(BACKEND)
    (copy / "pyproject.toml").write_text(BACKEND_TABLE)
    (copy / "constraints.txt").write_text("")
    (tmp_path / "index" / "needed").mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    handler = functools.partial(SilentHandler, directory=tmp_path / "index")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        settings = (
            f"[global]\nextra-index-url =\nfind-links =\nindex-url = http://127.0.0.1:{server.server_port}\n"
        )
        (tmp_path / "pip.conf").write_text(settings)
        yield copy
        server.shutdown()


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, which is an index for pip if it has a folder for each package."""

    def log_message(self, *_):
        """Say nothing of a request."""


def calls(copy: Path) -> list[str]:
    """Return what the stand-ins were called with since the last look."""
    file = copy / "calls.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def offer_wheel(index: Path) -> None:
    """Put a wheel of the needed package into an index."""
    with zipfile.ZipFile(index / "needed" / "needed-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("needed.py", "")
        wheel.writestr("needed-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: needed\nVersion: 1")
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        wheel.writestr("needed-1.dist-info/WHEEL", tag)
        wheel.writestr("needed-1.dist-info/RECORD", "")


def offer_source(index: Path, backend: str) -> None:
    """Put the source of the needed package into an index, which is built by this code."""
    files = {
        "backend.py": backend,
        "pyproject.toml": BACKEND_TABLE,
        "PKG-INFO": "Metadata-Version: 2.1\nName: needed\nVersion: 1",
    }
    with tarfile.open(index / "needed" / "needed-1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"needed-1/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize("arguments", [(), ("frobnicate",)])
@pytest.mark.parametrize("optimize", ["", "2"])
def test_an_unknown_or_missing_verb_shows_the_usage(copy, arguments, optimize):
    code, output, errors = run(copy, *arguments, PYTHONOPTIMIZE=optimize)
    assert (code, output) == (2, "")
    assert errors.startswith("python3 run.py lab | test | slides | book | bench | refresh | verdicts")


@pytest.mark.parametrize(
    "arguments", [("-h",), ("--help",), ("help",), ("bench", "-h"), ("refresh", "--help")]
)
def test_who_asks_for_help_gets_the_usage_and_nothing_is_installed(copy, arguments):
    code, output, errors = run(copy, *arguments)
    assert (code, errors) == (0, "")
    assert output.startswith("python3 run.py lab | test | slides | book | bench | refresh | verdicts")
    assert not (copy / ".venv").exists()


def test_the_help_of_pytest_is_pytests(ready):
    run(ready, "test", "--help")
    assert calls(ready)[-1] == "--help"


@pytest.mark.parametrize("version", [(3, 6), (3, 10)])
def test_an_old_python_is_refused(version, capsys):
    check_python = runpy.run_path(str(ROOT / "run.py"))["check_python"]
    with pytest.raises(SystemExit) as end:
        check_python(version)
    assert_refused((end.value.code, "", capsys.readouterr().err), f"Python 3.{version[1]}", "3.11")
    check_python((3, 11))


def test_an_old_python_can_parse_run():
    ast.parse((ROOT / "run.py").read_text("utf-8"), feature_version=(3, 7))


def test_a_python_without_ensurepip_is_refused(copy):
    (copy / "ensurepip.py").write_text("raise ModuleNotFoundError(\"No module named 'ensurepip'\")")
    assert_refused(run(copy, "test"), "ensurepip", "python3-venv")
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


FAILS = "raise RuntimeError('there is no compiler')"
BACKENDS = {  # that fail at the three steps of making a wheel
    "requirements": f"def get_requires_for_build_wheel(*_): {FAILS}\ndef build_wheel(*_): pass",
    "metadata": f"def prepare_metadata_for_build_wheel(*_): {FAILS}\ndef build_wheel(*_): pass",
    "wheel": f"""
def prepare_metadata_for_build_wheel(folder, *_):
    import pathlib
    pathlib.Path(folder, "needed-1.dist-info").mkdir()
    text = "Metadata-Version: 2.1\\nName: needed\\nVersion: 1"
    pathlib.Path(folder, "needed-1.dist-info", "METADATA").write_text(text)
    return "needed-1.dist-info"
def build_wheel(*_): {FAILS}
""",
}


@pytest.mark.parametrize("step", BACKENDS)
def test_a_package_that_cannot_be_built_is_named(offline, tmp_path, step):
    offer_source(tmp_path / "index", BACKENDS[step])
    version = ".".join(map(str, sys.version_info[:3]))
    words = [
        f"needed has no wheel for Python {version}",
        "could not be built",
        f"delete {offline / '.venv'}",
        "usual build",
    ]
    assert_refused(run(offline, "test"), *words)


HARMFUL = {"user": "true", "dry-run": "true", "no-deps": "true", "require-hashes": "true", "quiet": "3"}
HARMFUL |= {"target": "elsewhere", "prefix": "elsewhere", "root": "elsewhere"}


@pytest.mark.parametrize("place", ["variables", "file"])
def test_settings_of_pip_that_send_packages_elsewhere_do_not_count(offline, tmp_path, place, monkeypatch):
    offer_wheel(tmp_path / "index")  # The file says where it is, which does count.
    if place == "variables":
        for name, value in HARMFUL.items():
            monkeypatch.setenv("PIP_" + name.upper().replace("-", "_"), value)
    else:
        with (tmp_path / "pip.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in HARMFUL.items())
    assert run(offline, "test", "-x")[2].endswith("No module named pytest\n")
    assert list((offline / ".venv").rglob("needed.py"))
    assert (offline / ".venv" / "installed.txt").exists()


def test_a_variable_for_pip_goes_before_its_file(offline, tmp_path):
    offer_wheel(tmp_path / "index")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0"}
    assert_refused(run(offline, "test", **nowhere), "pip", "network")


# pip's own words, as it said them with a full disk and in a folder of somebody else.
OS_ERROR = "ERROR: Could not install packages due to an OSError: "


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (f"{OS_ERROR}[Errno 28] No space left on device\n", "free space"),
        (f"{OS_ERROR}[Errno 13] Permission denied: 'a'\nCheck the permissions.\n", "folder of your own"),
        ("ERROR: ResolutionImpossible: for help visit", "pip config list"),
    ],
)
def test_the_remedy_fits_what_pip_said(ready, said, remedy):
    result = run(ready, "test", STAND_IN_SAYS=said, STAND_IN_EXITS="1")
    assert_refused(result, said.splitlines()[0], remedy)
    assert "network" not in result[2]


@pytest.mark.parametrize("form", ["--port {}", "--port={}"])
def test_a_port_in_use_is_refused(copy, form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert_refused(run(copy, "lab", *form.format(port).split()), f"port {port}", "--port")


def test_the_second_start_skips_pip(ready):
    run(ready, "test", "-x")
    assert calls(ready) == ["install --no-compile -c constraints.txt -e .[test]", "-x"]
    run(ready, "test", "-x")
    assert calls(ready) == ["-x"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_dependency_is_installed(ready, name):
    run(ready, "test", "-x")
    calls(ready)
    with (ready / name).open("a") as file:
        file.write("# changed\n")
    run(ready, "test", "-x")
    assert len(calls(ready)) == 2


def test_what_the_tests_need_suffices_for_lab(ready):
    run(ready, "lab")
    run(ready, "test", "-x")
    assert [call.split()[-1] for call in calls(ready)] == [".", ".[test]", "-x"]
    run(ready, "lab")
    assert calls(ready) == []


def test_what_slides_need_is_installed_once_beside_what_tests_need(ready):
    stand_in = ready / "teaching" / "book.py"
    stand_in.parent.mkdir()
    stand_in.write_text("")
    for arguments in (["test", "-x"], ["book"], ["test", "-x"], ["book"], ["lab"]):
        run(ready, *arguments)
    assert [call.split()[-1] for call in calls(ready)] == [".[test]", "-x", ".[docs]", "-x"]


@pytest.mark.parametrize("arguments", [["no such"], ["01", "9"], ["--live"], ["01", "02", "--live"]])
def test_slides_of_no_chapter_are_refused_before_anything_is_installed(copy, arguments):
    (copy / "notebooks").mkdir()
    for name in ("01_one.ipynb", "02_two.ipynb"):
        (copy / "notebooks" / name).touch()
    assert_refused(run(copy, "slides", *arguments), "chapter", "such as 02")
    assert not (copy / ".venv").exists()


def test_chapters_are_named_by_number_file_or_path(ready):
    (ready / "notebooks").mkdir()
    (ready / "teaching").mkdir()
    for name in ("01_one.ipynb", "01b_more.ipynb", "02_two.ipynb"):
        (ready / "notebooks" / name).touch()
    (ready / "teaching" / "slides.py").write_text("import sys; print(*sys.argv[3:], sep='|')")

    def asked(*names: str) -> list[str]:
        line = run(ready, "slides", *names)[1].splitlines()[-1]
        return [Path(path).stem for path in line.split("|")]

    assert asked("01b", "notebooks/02_two.ipynb", "01_one.ipynb") == ["01b_more", "02_two", "01_one"]
    assert asked() == ["01_one", "01b_more", "02_two"]


def test_a_failed_installation_is_not_believed(ready):
    assert_refused(run(ready, "test", "-x", STAND_IN_SAYS="ERROR: told to", STAND_IN_EXITS="1"), "told to")
    run(ready, "test", "-x")
    assert len(calls(ready)) == 3


def test_what_would_make_the_tests_mean_something_else_is_not_handed_on(ready):
    stand_in = next((ready / ".venv").rglob("pytest.py"))
    stand_in.write_text("assert False, 'asserts are checked'")
    code, _, errors = run(ready, "test", "-x", PYTHONOPTIMIZE="1", PYTHONWARNINGS="error")
    assert code == 1
    assert "asserts are checked" in errors


MEANINGS = ["PYTHONASYNCIODEBUG", "PYTHONMALLOCSTATS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "NUMBA_DISABLE_JIT"]
MEANINGS += ["PYTHONDONTWRITEBYTECODE"]  # which makes them slow
SETTINGS = dict.fromkeys(MEANINGS, "1") | {
    "PYTEST_ADDOPTS": "--no-such-option",
    "PYTEST_PLUGINS": "no_such_plugin",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_would_fail_the_tests_is_not_handed_on(ready, name):
    stand_in = next((ready / ".venv").rglob("pytest.py"))
    stand_in.write_text("import os, sys; print(sorted(os.environ), file=sys.stderr)")
    errors = run(ready, "test", "-x", **{name: SETTINGS[name]})[2]
    assert "VIRTUAL_ENV" in errors
    assert repr(name) not in errors


@pytest.mark.parametrize("module", ["queue", "random", "socket", "select", "signal", "tempfile", "logging"])
def test_a_module_of_the_user_s_that_has_a_name_of_python_s_own_is_not_imported(copy, tmp_path, module):
    (tmp_path / f"{module}.py").write_text("raise SystemExit('a stray module')")
    code, output, errors = run(copy, "--help", PYTHONPATH=os.pathsep.join([os.fspath(copy), str(tmp_path)]))
    assert (code, errors) == (0, "")
    assert output.startswith("python3 run.py lab")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no device that can stand in for a home")
@pytest.mark.parametrize("home", [os.devnull, "/no/such/home", None])
def test_a_home_that_cannot_be_written_is_replaced(ready, tmp_path, home):
    stand_in = next((ready / ".venv").rglob("pytest.py"))
    stand_in.write_text("import os; print('HOME is', os.environ['HOME'])")
    mine = home is None
    _, output, errors = run(ready, "test", "-x", HOME=str(tmp_path) if mine else home)
    assert errors == ""
    assert output.splitlines()[-1] == f"HOME is {tmp_path if mine else ready / '.venv' / 'home'}"


def test_what_compiling_says_of_other_peoples_code_is_not_shown(ready):
    (next((ready / ".venv").rglob("pip.py")).parent / "old.py").write_text("1 is 1")  # a SyntaxWarning
    assert run(ready, "test", "-x")[2] == ""


def test_the_exit_code_of_pytest_is_returned(ready):
    run(ready, "test", "-x")
    assert run(ready, "test", "-x", STAND_IN_EXITS="5")[0] == 5


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process alone")
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interrupted_installation_is_not_believed(ready, ending):
    child = start(ready, "test", "-x", STAND_IN_SLEEPS="60")
    assert child.stdout.readline().startswith("Installing")
    deadline = time.monotonic() + 30
    while not (ready / "calls.txt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(ending)
    output, errors = child.communicate(timeout=10)
    assert (child.returncode, output, errors) == (130, "", "")
    run(ready, "test", "-x")
    assert len(calls(ready)) == 3


def test_a_missing_notebook_is_named_before_anything_is_installed(copy):
    assert_refused(run(copy, "refresh", "no such.ipynb"), "no such.ipynb")
    assert not (copy / ".venv").exists()
