"""Set the series up, then read it or test it."""

import os
import sys

# A folder of the user's may have modules with names of Python's own.
sys.path[:] = [
    folder for folder in sys.path if folder not in os.environ.get("PYTHONPATH", "").split(os.pathsep)
]

import argparse
import ast
import base64
import glob
import hashlib
import importlib
import json
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.txt"
NOTEBOOKS, TEACHING, BUILD = ROOT / "notebooks", ROOT / "teaching", ROOT / "build"
# Variables that bring in another Python's modules, or change what a program means, prints or waits for; the
# last has each of the many programs that the series starts compile its modules anew.
MISLEADING = {f"PYTHON{name}" for name in ("HOME", "INSPECT", "OPTIMIZE", "PATH", "STARTUP", "WARNINGS")}
MISLEADING |= {f"PYTHON{name}" for name in ("ASYNCIODEBUG", "MALLOCSTATS", "PROFILEIMPORTTIME", "VERBOSE")}
MISLEADING |= {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "NUMBA_DISABLE_JIT"}
MISLEADING |= {"PYTHONDONTWRITEBYTECODE"}
# The user's settings of pip that say where packages come from. Others might send them past .venv.
SOURCES = ["cert", "client-cert", "proxy", "trusted-host", "keyring-provider", "use-feature"]
SOURCES += ["index-url", "extra-index-url", "find-links", "no-index", "only-binary"]
SOURCES += ["default-timeout", "timeout", "retries", "cache-dir", "no-cache-dir"]
SETTINGS = 'your settings of pip ("python3 -m pip config list")'
REMEDIES = {  # for what pip, venv or the system says
    "No space left on device": "free space on this disk and run again",
    "Permission denied|Access is denied|Read-only file system": "use a checkout in a folder of your own",
    "from versions: none|Max retries exceeded|Read timed out": f"check the network and {SETTINGS}, run again",
}
IDLE = 0.25  # cores that other programs may keep busy, for two seconds, while what is stored is measured
PATIENCE, TRIES = 60, 3  # seconds to wait until they are idle; runs of a notebook that they disturb
PICTURE = "Two processes work side by side, two threads take turns"  # the README's
# JupyterLab's settings for a projector: large type, nothing but the notebook.
PROJECTOR = {
    "@jupyterlab/apputils-extension/themes": {
        "overrides": {"code-font-size": "24px", "content-font-size1": "24px", "ui-font-size1": "16px"}
    },
    "@jupyterlab/application-extension/shell": {"startMode": "single"},
    "@jupyterlab/statusbar-extension/plugin": {"visible": False},
}
USAGE = """python3 run.py lab | test | slides | book | bench | refresh | verdicts

    lab [ARGUMENTS]         open JupyterLab at the first notebook; the arguments go to JupyterLab;
                            with --projector, with large type and the notebook alone
    test [ARGUMENTS]        test helpers and every notebook, or run pytest with these arguments
    slides [CHAPTER ...]    make slides of all or these chapters, such as 02, in build/slides
                            with --live, of one, and open them beside JupyterLab as for a projector
    book                    make a site of all notebooks, as they are stored, in build/book
    bench                   print what the helpers cost beside the bare standard library
    refresh [NOTEBOOK ...]  run all or these notebooks on an idle computer and store their new outputs;
                            with --anyway, on a busy one as well
    verdicts                run all chapters, and keep what holds on this Python and system for chapter 08

The first start installs everything into the folder .venv beside this file; later starts find it there.
The exit code is 0 for success, 1 for a failed test or notebook, and 2 for a problem with the set-up."""


def fail(problem: str, remedy: str) -> NoReturn:
    """End with one line that says what is wrong and what to do."""
    print(f"run.py: {problem}: {remedy}", file=sys.stderr)
    sys.exit(2)


def check_python(version: tuple) -> None:
    """Refuse a Python that the series does not run on."""
    if version < (3, 11):
        fail("Python {}.{} is too old".format(*version), "start run.py with Python 3.11 or later")


# Called before the functions below, whose type hints an older Python cannot evaluate.
check_python(sys.version_info[:2])


def environment() -> dict[str, str]:
    """Return the variables for a child process, in which .venv comes before any other Python or kernel."""
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    path = os.pathsep.join([str(PYTHON.parent), kept.get("PATH", os.defpath)])
    # Jupyter looks for the kernel "python3" here first, even if the home folder has one of that name.
    own = {"PATH": path, "VIRTUAL_ENV": str(VENV), "JUPYTER_PATH": str(VENV / "share" / "jupyter")}
    return {**kept, **own, **home()}


def home() -> dict[str, str]:
    """Return the variable for a home folder in .venv, if the user's own cannot be written, else nothing.

    Jupyter, Matplotlib and others keep settings and caches at home, and fail or complain where they cannot.
    """
    with suppress(RuntimeError):  # this user has none
        if os.access(Path.home(), os.W_OK | os.X_OK):
            return {}
    return {"USERPROFILE" if os.name == "nt" else "HOME": str(VENV / "home")}


def run(
    *command: str | Path, quiet: bool = False, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout's folder; an interrupt ends it before it is raised again.

    Of a quiet one nothing is seen; all that it said is the result's stdout.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {}
    child = subprocess.Popen(
        command, cwd=ROOT, env=env or environment(), text=True, errors="replace", **pipes
    )
    try:
        # Without a time limit, an interrupt while a quiet child talks would have to wait for its end.
        said = child.communicate(timeout=86_400 if quiet else None)[0]
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    return subprocess.CompletedProcess(command, child.returncode, stdout=said)


def make_venv() -> None:
    """Make .venv, with pip in it."""
    try:
        importlib.import_module("venv")
        importlib.import_module("ensurepip")
    except ImportError as error:
        fail(f"this Python lacks venv ({error})", "install it (Debian, Ubuntu: python3-venv) and run again")
    VENV.mkdir()
    print("Making .venv ...", flush=True)
    steps = [
        [sys.executable, "-m", "venv", "--without-pip", VENV],
        [PYTHON, "-m", "ensurepip", "--default-pip"],
    ]
    for step in steps:  # venv would do both, but not tell why the second failed.
        made = run(*step, quiet=True)
        if made.returncode:
            problem = f"making .venv failed ({last_error(made.stdout)})"
            fail(problem, remedy(made.stdout, f"delete {VENV} and run again"))


def venv_version() -> str:
    """Return the version of .venv's Python, which shows that it and its pip start."""
    try:
        check = [PYTHON, "-c", "import pip, sys; print(sys.version)"]
        return subprocess.check_output(check, env=environment(), stderr=subprocess.DEVNULL, text=True)
    except (OSError, subprocess.CalledProcessError):
        fail(f"{VENV} is broken or half made", "delete this folder and run again")


def fingerprint(extra: str, version: str) -> str:
    """Return a text that changes whenever the installation has to be done again."""
    files = [(ROOT / name).read_text("utf-8") for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(repr([str(ROOT), version, extra, *files]).encode()).hexdigest()


def pip_variables() -> dict[str, str]:
    """Return the variables for pip: of the user's settings, in variables or files, the SOURCES alone."""
    kept = {name: value for name, value in environment().items() if not name.startswith("PIP_")}
    # pip lists nothing if it is to be quiet, and a part if it is to install for this user.
    every = {**environment(), "PIP_QUIET": "0", "PIP_USER": "0"}
    listed = run(PYTHON, "-m", "pip", "config", "list", quiet=True, env=every)
    settings = dict(line.partition("=")[::2] for line in listed.stdout.splitlines())
    for place in ("global", "install", ":env:"):  # A later one wins.
        for key in SOURCES:
            if settings.get(f"{place}.{key}", "''") != "''":
                kept["PIP_" + key.upper().replace("-", "_")] = ast.literal_eval(settings[f"{place}.{key}"])
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


def remedy(said: str, otherwise: str) -> str:
    """Return what to do about a problem, by what pip, venv or the system said of it."""
    return next((todo for words, todo in REMEDIES.items() if re.search(words, said)), otherwise)


def pip_failed(said: str, version: str) -> NoReturn:
    """End with what kept pip from its work."""
    if "This error originates from a subprocess" in said:  # It had to build a package.
        names = re.findall(r"Failed building wheel for ([\w.-]+)", said)
        # Before that step, it is the one that pip looked for last.
        names = names or re.findall(r"Collecting ([\w.-]+)", said)[-1:] or ["a package"]
        problem = (
            f"{', '.join(names)} has no wheel for Python {version.partition(' (')[0]} and could not be built"
        )
        otherwise = f"delete {VENV} and take the usual build of Python 3.11 to 3.15, or python3.14t"
    else:
        problem, otherwise = f"pip could not install ({last_error(said)})", f"check {SETTINGS}, run again"
    fail(problem, remedy(said, otherwise))


def last_error(text: str) -> str:
    """Return the line of pip's (or venv's) complaints that says most: the last that calls itself an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    return ([line for line in lines if line.startswith("ERROR:")] or lines)[-1]


def install(extra: str) -> None:
    """Install the package and its dependencies into .venv, unless the stamp there says that it is done."""
    if not VENV.is_dir():
        make_venv()
    version = venv_version()
    prints = {name: fingerprint(name, version) for name in ("", "[docs]", "[test]")}
    there = set(STAMP.read_text().split()) & set(prints.values()) if STAMP.exists() else set()
    if prints[extra] in there or (not extra and there):  # Each of the others brings what "" does.
        return
    STAMP.unlink(missing_ok=True)  # Should this be interrupted, the next start has to begin again.
    print("Installing into .venv (once, a minute or two) ...", flush=True)
    options = ["--no-compile", "-c", "constraints.txt", "-e", f".{extra}"]
    done = run(PYTHON, "-m", "pip", "install", *options, quiet=True, env=pip_variables())
    if done.returncode:
        pip_failed(done.stdout, version)
    # On all cores, where pip would use one; what it thinks of other people's code is not for our readers.
    run(PYTHON, "-m", "compileall", "-qq", "-j0", VENV, quiet=True)
    quiet_jupyterlab()
    STAMP.write_text("\n".join([*there, prints[extra]]))


def quiet_jupyterlab() -> None:
    """Answer no to what JupyterLab asks at its first start; a reader's own settings still win."""
    settings = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    news = {"fetchNews": "false", "checkForUpdates": False}
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": news}))


def check_port(arguments: list[str]) -> None:
    """Refuse a port that was asked for and is taken, where JupyterLab would silently open at another one."""
    parser = argparse.ArgumentParser(prog="run.py lab", add_help=False, allow_abbrev=False)
    parser.add_argument("--port", default="0")
    port = parser.parse_known_args(arguments)[0].port
    try:
        socket.create_server(("127.0.0.1", int(port))).close()
    except (OSError, OverflowError, ValueError):
        fail(f"port {port} is in use or not allowed", "give another --port or end the program that uses it")


def lab(arguments: list[str], notebook: str = "00_start_here.ipynb") -> int:
    """Open JupyterLab at the first or another notebook, until Ctrl-C."""
    check_port(arguments)
    install("")
    options = [f"--LabApp.default_url=/lab/tree/notebooks/{notebook}"]
    if "--projector" in arguments:
        arguments = [argument for argument in arguments if argument != "--projector"]
        options += projector(VENV / "projector")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # In a container everyone is root.
    return run(PYTHON, "-m", "jupyterlab", *options, *arguments).returncode


def projector(folder: Path) -> list[str]:
    """Write settings for a projector to a folder, and return the options by which JupyterLab takes them.

    The user's own settings and layout are neither read nor changed.
    """
    for name, choices in PROJECTOR.items():
        file = folder / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(choices))
    shutil.rmtree(folder / "workspaces", ignore_errors=True)  # what was open the last time
    (folder / "workspaces").mkdir()
    closed = {"collapsed": True, "visible": False, "widgets": []}
    layout = {"layout-restorer:data": {"left": closed, "right": closed}}
    workspace = {"data": layout, "metadata": {"id": "default"}}
    # JupyterLab's name for the file of the layout in which it starts.
    (folder / "workspaces" / "default-37a8.jupyterlab-workspace").write_text(json.dumps(workspace))
    places = {"user_settings_dir": "settings", "workspaces_dir": "workspaces"}
    return [f"--LabApp.{option}={folder / place}" for option, place in places.items()]


def chapters(names: list[str]) -> list[Path]:
    """Return the chapters of these numbers, file names or paths; without any, all."""
    found = {path.name: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    every = found | {name.partition("_")[0]: path for name, path in found.items()}
    for name in names:
        if Path(name).name not in every:
            fail(f"there is no chapter {name}", "give its number, such as 02")
    return [every[Path(name).name] for name in names] or list(found.values())


def slides(arguments: list[str]) -> int:
    """Make slides of all or some chapters; with --live, open those of one, and JupyterLab beside them."""
    names = [name for name in arguments if name != "--live"]
    live, paths = "--live" in arguments, chapters(names)
    if live and len(paths) != 1:
        fail("--live is for one chapter", "give its number, such as 02")
    install("[docs]")
    code = run(PYTHON, TEACHING / "slides.py", "--to", BUILD / "slides", *paths).returncode
    if code or not live:
        return code
    webbrowser.open((BUILD / "slides" / f"{paths[0].stem}.html").as_uri())
    return lab(["--projector"], paths[0].name)


def book(_arguments: list[str]) -> int:
    """Make a site of all notebooks, as they are stored."""
    install("[docs]")
    shutil.rmtree(BUILD / "book", ignore_errors=True)
    return run(PYTHON, TEACHING / "book.py", "--to", BUILD / "book", NOTEBOOKS).returncode


def parts() -> list[list[str]]:
    """Return the arguments for pytest of the parts that go side by side, as all wait much of their time.

    The notebooks go one after the other, so that none takes the time of another or finds its files. While the
    first of them need all cores, the second part does what waits most. After them, when the cores are free,
    come answers to exercises, the labs, and what a browser shows, which have to be quick.
    """
    waits = [("nbval_checks", "kernels", "two_hosts", "engine", "jobqueue*"),
             ("exercises*", "labs*", "browser", "slides", "book", "two_programs")]  # fmt: skip
    second, third = ([path for name in names for path in sorted((ROOT / "tests").glob(f"test_{name}.py"))]
                     for names in waits)  # fmt: skip
    last = ("test_jobqueue_truth", "test_jobqueue_storm", "test_jobqueue_chaos")  # they need cores, too
    second.sort(key=lambda path: path.stem in last)
    counted = ["--cov=helpers", "--cov-report="]  # not the notebooks, whose cells run in kernels
    others = ["tests", *(f"--ignore={path}" for path in second + third)]
    # Nor answers to exercises: where it is traced, Python 3.11 does not raise an error in a thread that runs.
    return [["notebooks", *map(str, third)], [*counted, *map(str, second)], [*counted, *others]]


def test(arguments: list[str]) -> int:
    """Test helpers with coverage, and every notebook; or only what the arguments for pytest say."""
    install("[test]")
    pytest = [PYTHON, "-m", "pytest"]
    if arguments:
        return run(*pytest, *arguments).returncode
    pytest += ["-q", "-rfEs", "-p", "failures_at_once", "-o", "console_output_style=classic"]
    with tempfile.TemporaryDirectory(prefix=".coverage-", dir=ROOT) as folder:
        os.environ["COVERAGE_FILE"] = str(Path(folder, "all"))
        children = []
        try:
            for number, part in enumerate(parts()):
                env = {**environment(), "COVERAGE_FILE": str(Path(folder, f"all.{number}"))}
                # In sessions of their own, so that Ctrl-C reaches each part once, from here.
                command = [*pytest, *part]
                children.append(subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True))
            codes = [child.wait() for child in children]
        except KeyboardInterrupt:
            for child in children:
                if os.name != "nt":  # where there are no sessions, and Ctrl-C has reached all
                    child.send_signal(signal.SIGINT)
            for child in children:
                child.wait()
            raise
        for step in (["combine", "-q", folder], ["report"]):
            run(PYTHON, "-m", "coverage", *step)
    return int(any(codes))


def bench(arguments: list[str]) -> int:
    """Print the cost of the helpers, then of a task on the job queue, beside the bare standard library."""
    install("[test]")
    programs = ("benchmarks/harness.py", "benchmarks/throughput.py")
    return max([run(PYTHON, program, *arguments).returncode for program in programs])


def refresh(arguments: list[str]) -> int:
    """Run notebooks in place, one after the other, and draw the README's picture anew."""
    anyway = "--anyway" in arguments
    names = [name for name in arguments if name != "--anyway"]
    paths = [Path(name).resolve() for name in names] or chapters_and_workbooks()
    for path in paths:
        if not path.is_file():
            fail(f"there is no notebook {path}", "give the path of one")
    install("[test]")
    succeeded = [execute(path) if anyway else execute_undisturbed(path) for path in paths]
    save_picture()
    return 0 if all(succeeded) else 1


def chapters_and_workbooks() -> list[Path]:
    """Return the paths of all notebooks."""
    return [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted((NOTEBOOKS / "workbooks").glob("*.ipynb"))]


def execute_undisturbed(path: Path) -> bool:
    """Run one notebook in place while other programs are idle: wait for them, repeat what they disturb."""
    before = path.read_bytes()
    for _ in range(TRIES):
        wait_until_idle()
        done, busy = beside_neighbours(lambda: execute(path))
        if not done or busy <= IDLE:
            return done
        path.write_bytes(before)
        print(f"Other programs kept {busy:g} cores busy meanwhile.", flush=True)
    print(f"{path.name} was disturbed {TRIES} times, and is left as it was.", file=sys.stderr)
    return False


def wait_until_idle() -> None:
    """Wait until other programs leave us the cores, but not for ever."""
    end = time.monotonic() + PATIENCE
    while True:
        busy = beside_neighbours(lambda: time.sleep(2))[1]
        if busy <= IDLE:
            return
        if time.monotonic() > end:
            problem = (
                f"other programs keep {busy:g} cores busy, so that what is stored would not be exemplary"
            )
            fail(problem, "end them and run again, or add --anyway")
        print(f"Waiting for other programs, which keep {busy:g} cores busy ...", flush=True)


def beside_neighbours(act: Callable[[], T]) -> tuple[T, float]:
    """Return what ``act`` returns, and how many cores other programs kept busy meanwhile."""
    os.environ["HELPERS_RUN"] = mark = secrets.token_hex(8)
    command = [PYTHON, "-m", "helpers.neighbours", mark]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    watcher = subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipes)
    try:
        done = act()
    finally:
        said = watcher.communicate()[0]
    return done, float(said)


def execute(path: Path) -> bool:
    """Run one notebook in place and return whether it ran to its end; if not, it is left as it was."""
    # Timings and the state of widgets would differ at every run and say nothing to a reader.
    options = ["record_timing=False", "store_widget_state=False", "coalesce_streams=True", "timeout=60"]
    convert = [PYTHON, "-m", "nbconvert", "--to=notebook", "--execute", "--inplace"]
    convert += [f"--ExecutePreprocessor.{option}" for option in options]
    print(f"Running {path.name} ...", flush=True)
    done = run(*convert, glob.escape(str(path)), quiet=True)
    if done.returncode:
        print(*done.stdout.splitlines()[-15:], sep="\n", file=sys.stderr)
    return done.returncode == 0


def verdicts(_arguments: list[str]) -> int:
    """Run all chapters in a copy, and write what they found to a file that is named for this Python."""
    install("[test]")
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(NOTEBOOKS, Path(folder, "notebooks"))
        succeeded = [execute(path) for path in sorted(copy.glob("*.ipynb"))]
        if not all(succeeded):
            return 1
        return run(PYTHON, "-m", "helpers.experiments.pythons", copy, NOTEBOOKS / "verdicts").returncode


def save_picture() -> None:
    """Save the picture of this title, in whatever chapter it is, as the file that the README shows."""
    for chapter in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = json.loads(chapter.read_text("utf-8"))["cells"]
        for view in (output.get("data", {}) for cell in cells for output in cell.get("outputs", [])):
            if "".join(view.get("text/plain", "")) == f"picture: {PICTURE}":
                image = re.search(r"base64,([^\"]+)", "".join(view["text/html"]))
                (NOTEBOOKS / "timelines.png").write_bytes(base64.b64decode(image[1]))


def main() -> int:
    """Do what the first argument says."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # However we are ended, we end our children first.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    verbs = {"lab": lab, "test": test, "slides": slides, "book": book}
    verbs |= {"bench": bench, "refresh": refresh, "verdicts": verdicts}
    verb, *arguments = sys.argv[1:] or [""]
    own = [verb] if verb in ("lab", "test") else sys.argv[1:]  # JupyterLab's and pytest's help is theirs.
    if {"help", "-h", "--help"} & set(own):
        print(USAGE)
        return 0
    if verb not in verbs:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        return verbs[verb](arguments)
    except OSError as error:
        problem = f"{error.filename or ROOT} cannot be read or written ({error.strerror})"
        fail(problem, remedy(str(error), "use a complete checkout in a folder of your own"))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
