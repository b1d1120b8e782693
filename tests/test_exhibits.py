"""The tutorial's programs in their first form and other exhibits, and what the chapter runs them with."""

import ast
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from queue_helpers import GONE, gone, until

from helpers.experiments import two_programs
from helpers.experiments.two_programs import Process, Run

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
EXHIBITS = sorted((NOTEBOOKS / "exhibits").glob("*.py"))
METHODS = multiprocessing.get_all_start_methods()
OTHERS = [method for method in METHODS if method != "fork"]
KEY = b"abc"


@pytest.fixture(autouse=True)
def in_the_folder_of_the_notebooks(monkeypatch):
    monkeypatch.chdir(NOTEBOOKS)
    monkeypatch.delenv("QUEUE_KEY", raising=False)


@pytest.mark.parametrize("path", EXHIBITS, ids=lambda path: path.stem)
def test_an_exhibit_needs_nothing_but_python(path):
    modules = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert {name.split(".")[0] for name in modules} <= sys.stdlib_module_names


# --- The first form ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OTHERS)
def test_a_lambda_is_not_sent_to_a_process_that_begins_empty(method):
    assert any("pickle" in line for line in two_programs.errors("exhibits/first_master.py", method))


def test_by_spawn_a_program_without_a_guard_starts_itself_again():
    lines = two_programs.errors("exhibits/named_master.py", "spawn")
    assert any("An attempt has been made" in line for line in lines)
    assert not any("pickle" in line for line in lines)


@pytest.mark.skipif("fork" not in METHODS, reason="there is no fork here")
@pytest.mark.parametrize("name", ["first", "named"])
def test_by_fork_both_get_going_and_miss_a_worker(name):
    assert two_programs.errors(f"exhibits/{name}_master.py", "fork") == ["_queue.Empty"]


def test_a_script_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match=r"script: expected a file in notebooks, got nowhere\.py"):
        two_programs.errors("nowhere.py", "spawn")


def test_the_first_worker_does_all_tasks_and_falls():
    run = two_programs.together(worker=["exhibits/first_worker.py"])
    assert len(run.results) == 10
    assert [line for line in run.lines if line.startswith("NameError")]


# --- Where the queues are ----------------------------------------------------------------------------

SEEN = {"start": "tasks seen: 0, served by this process: False",
        "server": "tasks seen: 1, served by this process: True"}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", SEEN)
def test_which_queue_is_served(way, method):
    command = [sys.executable, "-c", two_programs._BY.format(method, f"exhibits/behind_{way}.py")]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == SEEN[way]
    assert two_programs.output(f"exhibits/behind_{way}.py") == SEEN[way]


def test_output_of_a_program_that_fails_is_none():
    with pytest.raises(subprocess.CalledProcessError):
        two_programs.output("exhibits/first_worker.py")


def test_queues_are_counted_where_they_are_made():
    count = "exhibits/count_queues.py"
    lines = two_programs.together([count, "task_master.py"], [count, "task_worker.py"]).lines
    assert {line for line in lines if "made" in line} == {
        "2 queues made by task_master.py",
        "0 queues made by task_worker.py",
    }


def test_a_shared_dict_keeps_all_that_is_added_under_a_lock():
    counts = json.loads(two_programs.output("exhibits/shared_counts.py"))
    assert counts["with lock"] == 600 >= counts["plain"] > 0


# --- The two programs, run for the chapter -----------------------------------------------------------


def test_the_lines_of_a_run():
    run = Run(["port 1", "master: task 3", "master: task 4", "worker: 4 * 4", "worker: 3 * 3",
               "master: result 3 * 3 = 9", "master: result 4 * 4 = 17"])  # fmt: skip
    assert (run.tasks, run.results, run.lags) == ([3, 4], ["3 * 3 = 9", "4 * 4 = 17"], {3: 1})
    assert str(run).splitlines()[2:4] == ["master: task 4", " " * 44 + "worker: 4 * 4"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_run_keeps_the_order_of_lines(monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    run = two_programs.together()
    assert len(run.tasks) == len(run.results) == len(run.lags) == 10
    assert min(run.lags.values()) > 0
    assert run.lines.count("worker: no more tasks") == 1


def test_three_processes_and_who_listens():
    with (
        two_programs.waiting_master() as (master, port),
        two_programs.waiting_worker(port) as worker,
    ):
        found = two_programs.processes(port, master=master.pid, worker=worker.pid)
        running = [psutil.Process(process.pid) for process in found]
    assert Process("master", master.pid, False) in found
    assert Process("worker", worker.pid, False) in found
    assert [process.who for process in found if process.listens] == ["started by the master"]
    assert until(lambda: all(map(gone, running)), GONE)


def test_what_becomes_of_a_visit():
    with two_programs.waiting_master() as (_, port):
        assert two_programs.refused("127.0.0.1", port, KEY) == ""
        assert two_programs.refused("127.0.0.1", port, b"abd") == "AuthenticationError"
    assert two_programs.refused("127.0.0.1", port, KEY) == "ConnectionRefusedError"


def test_a_wait_that_makes_no_sense():
    with (
        pytest.raises(ValueError, match="seconds: expected 0 to 3600 seconds"),
        two_programs.waiting_master("1"),
    ):
        pass
