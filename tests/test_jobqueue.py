"""Masters and workers from Python: started, replaced, ended; and the article's own scripts."""

import gc
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from queue_helpers import GONE, HERE, SOON, Address, Gate, Start, ended, first_line, gone, until

from helpers import jobqueue, programs
from helpers.jobqueue import launch

ARTICLE = Path(__file__).parent / "article"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"host": "192.0.2.1"}, "192.0.2.1"), ({"port": 99999}, "99999"), ({"port": -1}, "-1")],
)
def test_launch_master_where_it_cannot_be(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(jobqueue.QueueError, match=words):
        jobqueue.launch_master(**arguments)


@pytest.mark.parametrize("wrong", [{"lease": 0}, {"attempts": 0}, {"attempts": 1.5}, {"retry_delay": -1}])
def test_launch_master_with_figures_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a lease over 0 s"):
        jobqueue.launch_master(**wrong)


def test_launch_master_twice_on_a_port(master: jobqueue.Master) -> None:
    with pytest.raises(jobqueue.QueueError, match=f"{master.port}.*another --port"):
        jobqueue.launch_master(port=master.port)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2"])
def test_launch_workers_wants_whole_numbers(pair: jobqueue.Master, number: Any) -> None:
    with pytest.raises(ValueError, match="count: expected a whole number"):
        jobqueue.launch_workers(pair, number)
    with pytest.raises(ValueError, match="prefetch: expected a whole number"):
        jobqueue.launch_workers(pair, prefetch=number)


def test_launch_workers_wants_a_function_that_there_is(pair: jobqueue.Master) -> None:
    with pytest.raises(ValueError, match=r"expected one of square, .* got 'cube'"):
        jobqueue.launch_workers(pair, function="cube")


def test_launch_workers_tells_why_not(pair: jobqueue.Master) -> None:
    with pytest.raises(jobqueue.QueueError, match="refused the key"):
        jobqueue.launch_workers(Address(pair.port, "wrong"))


@pytest.mark.parametrize("key", ["wrong", "another"])
def test_a_client_with_another_key_is_refused(pair: jobqueue.Master, key: str) -> None:
    with pytest.raises(jobqueue.KeyRefused, match="refused the key"):
        jobqueue.Client(HERE, pair.port, key.encode())


def test_a_client_elsewhere_does_what_the_master_that_we_started_does(pair: jobqueue.Master) -> None:
    client = jobqueue.Client(HERE, pair.port, pair.key)
    assert list(client.map("square", range(5), timeout=SOON)) == [0, 1, 4, 9, 16]
    assert client.pid == pair.pid
    assert repr(client) == f"<Client at {HERE}:{pair.port}, process {pair.pid}>"


# --- Workers come and go -----------------------------------------------------------------------------


def test_the_task_of_a_worker_that_dies_is_done_by_another(master: jobqueue.Master, gate: Gate) -> None:
    with jobqueue.launch_workers(master) as workers:
        (pid,) = workers.pids
        batch = master.submit("fetch", [gate.url])
        gate.reached()
        assert workers.kill_one() == pid
        assert (workers.pids, workers.exit_codes[0] not in (None, 0)) == ([], True)
        with pytest.raises(jobqueue.QueueError, match="no worker is alive"):
            workers.kill_one()
        workers.add()
        gate.reached().open()
        (span,) = batch.as_completed(SOON)
        assert (span.value, [span.worker.pid]) == (3, workers.pids)
        assert master.stats()[:6] == (0, 0, 1, 1, 0, 0)


def test_a_task_that_ends_every_worker_is_shelved_and_harms_no_other(gate: Gate) -> None:
    with jobqueue.launch_master(lease=0.5, retry_delay=0) as master:
        with jobqueue.launch_workers(master) as workers:
            batch, dead = master.submit("fetch", [gate.url]), []
            for _ in range(3):
                gate.reached()
                dead.append(workers.kill_one())
                workers.add()
            (span,) = batch.as_completed(SOON)
            assert list(master.map("square", range(5), timeout=SOON)) == [0, 1, 4, 9, 16]
        (shelved,) = master.shelf()
    assert [int(error.split()[1].rpartition(":")[2]) for error in shelved.errors] == dead
    assert all("sent no heartbeat for 0.5 s" in error for error in shelved.errors)
    assert (shelved.function, span.value) == ("fetch", None)
    assert all(error in str(span.error) for error in shelved.errors)


def test_workers_are_added_and_are_like_the_others(master: jobqueue.Master) -> None:
    with jobqueue.launch_workers(master, function="pi_sum") as workers:
        first = workers.pids
        workers.add(2)
        assert len(workers.pids) == 3
        assert workers.pids[:1] == first
        assert all("--function=pi_sum" in psutil.Process(pid).cmdline() for pid in workers.pids)
        with pytest.raises(ValueError, match="count: expected a whole number"):
            workers.add(0)
    assert (workers.pids, workers.exit_codes) == ([], [0, 0, 0])
    assert list(workers.lines()) == []
    with pytest.raises(jobqueue.QueueError, match="stopped: launch new ones"):
        workers.add()


def test_workers_whose_start_is_interrupted_are_ended(
    master: jobqueue.Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[programs.Program] = []
    really_start = launch._start_worker

    def start(*arguments: Any) -> programs.Program:
        if started:
            raise KeyboardInterrupt
        started.append(really_start(*arguments))
        return started[0]

    monkeypatch.setattr(launch, "_start_worker", start)
    with pytest.raises(KeyboardInterrupt):
        jobqueue.launch_workers(master, 2)
    assert started[0].exit_code is not None


def test_workers_never_wait_for_a_reader(master: jobqueue.Master) -> None:
    numbers = range(10**9, 10**9 + 3000)
    for n in numbers:
        master.task_queue.put(n)
    with jobqueue.launch_workers(master, 2, plain=True) as workers:  # those tell of every task
        assert until(lambda: master.result_queue.qsize() == len(numbers))
        assert until(lambda: workers.exit_codes == [0, 0])
    said = list(workers.lines())
    assert sorted(said) == [f"working on {n} * {n}" for n in numbers]
    assert sum(map(len, said)) > 2**16, "less than a pipe holds"
    assert list(workers.lines()) == []


# --- The end of all things ---------------------------------------------------------------------------


def test_stopping_twice_and_asking_after() -> None:
    master = jobqueue.launch_master()
    workers = jobqueue.launch_workers(master, 2)
    for handle in (workers, workers, master, master):
        handle.stop()
    assert (workers.pids, workers.exit_codes) == ([], [0, 0])
    assert not psutil.pid_exists(master.pid)
    for ask in (master.stats, lambda: master.map("square", [1])):
        with pytest.raises(jobqueue.MasterGone, match="launch a new one"):
            ask()


def test_workers_leave_a_master_that_is_stopped_first(master: jobqueue.Master) -> None:
    with jobqueue.launch_workers(master, 2) as workers:
        master.stop()
        assert [line for line in workers.lines() if "went away" in line]
        assert workers.exit_codes == [5, 5]


def test_blocks_end_everything_whatever_their_body_does() -> None:
    ours = []

    def use() -> None:
        with jobqueue.launch_master() as master, jobqueue.launch_workers(master, 2) as workers:
            workers.add()
            ours.extend(psutil.Process(pid) for pid in (master.pid, *workers.pids))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert len(ours) == 4
    assert all(map(gone, ours))


def test_handles_that_nobody_holds_end_their_programs() -> None:
    master = jobqueue.launch_master()
    workers = jobqueue.launch_workers(master)
    assert list(master.map("square", [3], timeout=SOON)) == [9]
    ours = [psutil.Process(pid) for pid in (master.pid, *workers.pids)]
    del workers
    gc.collect()
    assert [gone(process) for process in ours] == [False, True]
    del master
    gc.collect()
    assert all(map(gone, ours))


USER = """
from helpers import jobqueue
master = jobqueue.launch_master()
workers = jobqueue.launch_workers(master, 2)
print(master.pid, *workers.pids, flush=True)
list(master.map("fetch", ["{url}"]))
"""


def test_nothing_outlives_its_user(start: Start, gate: Gate) -> None:
    user = start("-c", USER.format(url=gate.url))
    ours = [psutil.Process(int(pid)) for pid in first_line(user).split()]
    gate.reached()  # a worker is at work
    user.kill()
    user.wait(SOON)
    assert len(ours) == 3
    assert until(lambda: all(map(gone, ours)), GONE)


def test_two_users_at_once_do_not_disturb_each_other() -> None:
    def use(first: int) -> bool:
        numbers = range(first, first + 100)
        with jobqueue.launch_master() as master, jobqueue.launch_workers(master, 2):
            return list(master.map("square", numbers, timeout=SOON)) == [n * n for n in numbers]

    with ThreadPoolExecutor(2) as users:
        assert list(users.map(use, [0, 1000])) == [True, True]


def test_no_thread_of_ours_is_left() -> None:
    before = threading.active_count()
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master, 2):
        list(master.map("square", range(50), timeout=SOON))
        master.run("square", range(50), SOON)
        master.submit("square", range(50)).wait(SOON)
    del master
    gc.collect()
    assert until(lambda: threading.active_count() <= before)


# --- The article's own scripts -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the key has 3 bytes")
@pytest.mark.parametrize("port", [5000, 0])
def test_the_articles_worker_serves_our_master(start: Start, port: int) -> None:
    try:
        master = jobqueue.launch_master(port=port, key="abc")
    except jobqueue.QueueError as error:
        pytest.skip(f"port {port} is taken on this computer: {error}")
    numbers = range(100, 110)
    with master:
        for n in numbers:
            master.task_queue.put(n)
        process = start(ARTICLE / "worker.py", *[master.port] * (port == 0))
        texts = [master.result_queue.get(True, SOON) for _ in numbers]
        assert texts == [f"{n} * {n} = {n * n}" for n in numbers]
        code, output, errors = ended(process)
        assert (code, output.count("run task"), errors) == (0, 10, "")


@pytest.mark.parametrize("start_method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize(
    "workers",
    [["worker", "--plain", "--host", HERE, "--port"], [ARTICLE / "worker.py"]],
    ids=["ours", "its own"],
)
def test_the_articles_master_has_its_numbers_squared(
    start: Start, workers: list[Any], start_method: str
) -> None:
    master = start(ARTICLE / "master.py", 0, start_method)
    port = first_line(master).removeprefix("port ")
    process = start(*workers, port, key="abc")
    code, output, errors = ended(master)
    assert (code, errors) == (0, "")
    said = [line.split(" ", 1) for line in output.splitlines()]
    asked = [int(rest) for kind, rest in said if kind == "task"]
    assert len(asked) == 10
    assert [rest for kind, rest in said if kind == "result"] == [f"{n} * {n} = {n * n}" for n in asked]
    process.kill()
