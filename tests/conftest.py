"""Masters, workers and gates for the tests of the job queue; a desk for the tests of the exercises."""

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from queue_helpers import HERE, KEY, Gate, Start, first_line

from helpers import jobqueue
from helpers.jobqueue.key import KEY_VARIABLE

COUNTED = ("test_jobqueue_worker", "test_servers", "test_mail", "test_accidents")


@pytest.fixture(autouse=True, scope="module")
def coverage_of_programs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let coverage count in the programs that these modules start; others it would only slow down."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ not in COUNTED:
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coverage count in no program of a test in such a module, as others there run the same lines."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a program as a user would, its output and its errors apart; it is ended with the test."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with contextlib.ExitStack() as started:

        def start(program: str, *arguments: object, key: str | None = KEY) -> subprocess.Popen[str]:
            command = ["-m", f"helpers.jobqueue.{program}"] if program in ("master", "worker") else [program]
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                [sys.executable, *command, *map(str, arguments)],
                env=os.environ | ({KEY_VARIABLE: key} if key is not None else {}),
                stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8",
            )  # fmt: skip
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


@pytest.fixture
def master() -> Iterator[jobqueue.Master]:
    """Return a master of this test's own, which soon lends a dead worker's task again."""
    with jobqueue.launch_master(key=KEY, lease=1) as master:
        yield master


@pytest.fixture(scope="module")
def pair() -> Iterator[jobqueue.Master]:
    """Return a master with two workers, for tests that do them no lasting harm."""
    with jobqueue.launch_master(key=KEY) as master:
        with jobqueue.launch_workers(master, 2):
            yield master
        master.stop()
        assert list(master._program.lines()) == [], "a master says nothing but its first line"


@pytest.fixture
def connected(start: Start, master: jobqueue.Master) -> Callable[..., subprocess.Popen[str]]:
    """Start a worker of the master and wait until it is connected."""

    def connected(*arguments: str) -> subprocess.Popen[str]:
        process = start("worker", "--host", HERE, "--port", master.port, *arguments)
        assert first_line(process) == f"connected to {HERE}:{master.port}"
        return process

    return connected


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    with gate.socket:
        yield gate


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Hand an answer to an exercise in and return what is said of it; nothing else may be printed."""
    from helpers.exercises import check

    def told(name: str, *answer: object) -> str:
        check(name, *answer)
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.removesuffix("\n")

    return told


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Write a module as a learner's cell does, and return it imported; child processes can import it too."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names = []

    def module(source: str) -> ModuleType:
        names.append(f"written_{tmp_path.name}_{len(names)}".replace("-", "_"))
        (tmp_path / f"{names[-1]}.py").write_text(source, "utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(names[-1])

    yield module
    for name in names:
        sys.modules.pop(name, None)
