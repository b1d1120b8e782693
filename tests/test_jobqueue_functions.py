"""Functions of one's own: a worker runs those of the modules that it was started to allow, and says so."""

import os
import warnings
from pathlib import Path

import pytest
from queue_helpers import SOON

from helpers import jobqueue
from helpers.jobqueue import functions
from helpers.jobqueue.errors import QueueError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's in the folder where workers start."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my_tasks.py"
    file.write_text("def power(n): return n * n\n")
    return file


def only(master: jobqueue.Master, function: str, argument: object = 3) -> object:
    (value,) = master.map(function, [argument], timeout=SOON)
    return value


def test_a_function_of_an_allowed_module_runs(file: Path) -> None:
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master, 2, allow=["my_tasks"]):
        assert list(master.map("my_tasks:power", [2, 3], timeout=SOON)) == [4, 9]
        assert list(master.map("square", [4], timeout=SOON)) == [16]
    assert [file] == list(file.parent.iterdir())  # no compiled form is left beside it


@pytest.mark.usefixtures("file")
def test_a_worker_that_does_not_allow_it_says_how_it_would() -> None:
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master):
        with pytest.raises(jobqueue.TaskFailed, match=r"start it with --allow my_tasks, or by .*allow=\["):
            only(master, "my_tasks:power")
        with pytest.raises(jobqueue.TaskFailed, match="--allow os"):
            only(master, "os:getcwd")


@pytest.mark.usefixtures("file")
def test_what_an_allowed_module_does_not_have_is_named() -> None:
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master, allow=["my_tasks"]):
        for name in ("cube", "__name__"):
            with pytest.raises(jobqueue.TaskFailed, match=f"my_tasks:{name}: there is no such function"):
                only(master, f"my_tasks:{name}")


@pytest.mark.parametrize("text", ["def power(n: return\n", "import not_there\n", "raise SystemExit(0)\n"])
def test_a_module_that_cannot_be_imported_is_named_in_one_line(file: Path, text: str) -> None:
    file.write_text(text)
    with (
        jobqueue.launch_master() as master,
        pytest.raises(QueueError, match="worker: --allow my_tasks: it cannot be imported") as failed,
    ):
        jobqueue.launch_workers(master, allow=["my_tasks"])
    assert "\n" not in str(failed.value)


@pytest.mark.usefixtures("file")
def test_a_module_that_is_not_there_is_named() -> None:
    with jobqueue.launch_master() as master, pytest.raises(QueueError, match="No module named 'nowhere'"):
        jobqueue.launch_workers(master, allow=["my_tasks", "nowhere"])


def test_a_changed_file_is_run_in_its_new_form_by_new_workers_and_old_ones_are_named(file: Path) -> None:
    with jobqueue.launch_master() as master:
        with jobqueue.launch_workers(master, allow=["my_tasks"]):
            assert only(master, "my_tasks:power") == 9
            # The same length, and within the same second: Python itself may not see the difference.
            file.write_text("def power(n): return n + n\n")
            with pytest.warns(UserWarning, match=r"worker .* runs my_tasks:power as it was when it started"):
                assert only(master, "my_tasks:power") == 9
        with jobqueue.launch_workers(master, allow=["my_tasks"]), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert only(master, "my_tasks:power") == 6


def test_of_one_worker_that_is_old_a_batch_warns_once(file: Path) -> None:
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master, allow=["my_tasks"]):
        os.utime(file, (1, 1))
        with pytest.warns(UserWarning, match="as it was when it started") as told:
            assert list(master.map("my_tasks:power", range(50), timeout=SOON)) == [n * n for n in range(50)]
        assert len(told) == 1


@pytest.mark.parametrize("name", ["my_tasks:", ":power", "my tasks:power", "a:b:c", "", "cube", 3, None])
def test_what_is_no_name_of_a_function_is_refused_where_it_is_given(name: object) -> None:
    with pytest.raises(ValueError, match=r"function: expected one of square, .* or module:function, got"):
        functions.check_name(name)  # type: ignore[arg-type]


def test_allow_is_a_list(file: Path) -> None:
    with jobqueue.launch_master() as master, pytest.raises(TypeError, match="expected a list of names of"):
        jobqueue.launch_workers(master, allow="my_tasks")
