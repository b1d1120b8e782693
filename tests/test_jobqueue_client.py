"""The client: results in order and as they come, how much is under way at once, and what goes wrong."""

import contextlib
import itertools
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from queue_helpers import KEY, SOON, Gate, Start, ended, posix, until

from helpers import jobqueue, programs
from helpers.jobqueue import batch as batch_module


@pytest.fixture
def alone() -> Iterator[jobqueue.Master]:
    """Return a master without workers: what is given to it stays."""
    with jobqueue.launch_master(key=KEY) as master:
        yield master


@pytest.fixture
def two_gates() -> Iterator[list[Gate]]:
    gates = [Gate(), Gate()]
    with gates[0].socket, gates[1].socket:
        yield gates


def nothing_left(master: jobqueue.Master) -> bool:
    stats = master.stats()
    return stats.waiting == stats.in_work == 0


# --- Results -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 300])
def test_map_yields_every_result_once_in_order(pair: jobqueue.Master, size: int) -> None:
    numbers = [n * 7 % 101 - 50 for n in range(size)]
    assert list(pair.map("square", iter(numbers), timeout=SOON)) == [n * n for n in numbers]
    assert nothing_left(pair)


@pytest.mark.parametrize("options", [{"prefetch": 7}, {"function": "square"}])
def test_map_with_any_kind_of_worker(alone: jobqueue.Master, options: dict[str, Any]) -> None:
    with jobqueue.launch_workers(alone, 2, **options):
        assert list(alone.map("square", range(100), timeout=SOON)) == [n * n for n in range(100)]


def test_run_returns_spans_whose_times_are_in_order(pair: jobqueue.Master) -> None:
    before = time.perf_counter()
    trace = pair.run("pi_sum", [1000] * 20, timeout=SOON)
    assert [span.job for span in trace.spans] == list(range(20))
    assert all(before <= span.given <= span.returned <= time.perf_counter() for span in trace.spans)
    assert trace.master == pair.pid
    assert pair.pid not in trace.pids


def test_one_run_after_the_other_uses_the_same_two_connections(pair: jobqueue.Master) -> None:
    def connections() -> set[int]:
        there = psutil.Process().net_connections("tcp")
        return {one.laddr.port for one in there if one.raddr and one.raddr.port == pair.port}

    assert list(pair.map("square", [3], timeout=SOON)) == [9]
    one_run = connections()
    assert list(pair.map("square", [4], timeout=SOON)) == [16]
    assert connections() == one_run
    assert len(one_run) <= 3, "one to be there, and no more than two to ask"


def test_a_run_of_nothing_is_refused(pair: jobqueue.Master) -> None:
    with pytest.raises(ValueError, match="at least one job"):
        pair.run("square", [])


def test_results_come_as_they_are_ready_or_in_order(pair: jobqueue.Master, two_gates: list[Gate]) -> None:
    batch = pair.submit("fetch", [gate.url for gate in two_gates])
    for gate in two_gates:
        gate.reached()
    two_gates[1].open()
    ready = batch.as_completed(SOON)
    assert next(ready).job == 1
    assert list(batch.finished) == [1]
    two_gates[0].open()
    assert [span.job for span in ready] == [0]
    assert list(batch.as_completed(SOON)) == []
    assert [span.job for span in batch.in_order(SOON)] == [0, 1]
    assert [span.value for span in batch.wait(SOON).spans] == [3, 3]


def test_what_is_handed_out_in_order_is_not_handed_out_again(pair: jobqueue.Master) -> None:
    batch = pair.submit("square", range(20))
    first = [span.job for span in itertools.islice(batch.in_order(SOON), 8)]
    rest = [span.job for span in batch.as_completed(SOON)]
    assert first == list(range(8))
    assert sorted(first + rest) == list(range(20))


def test_a_batch_says_how_far_it_is(pair: jobqueue.Master) -> None:
    batch = pair.submit("square", range(20))
    batch.wait(SOON)
    assert repr(batch) == "<Batch of square: 20 tasks finished, 0 out>"


def test_a_batch_that_is_done_or_cancelled_is_forgotten_by_the_board(pair: jobqueue.Master) -> None:
    done, cancelled = pair.submit("square", range(20)), pair.submit("square", range(20))
    names = [done.name, cancelled.name]
    done.wait(SOON)
    for _ in range(2):
        cancelled.cancel()
        done.cancel()
    assert [pair.ask("collect", name, 0, 99, 0) for name in names] == [None, None]
    assert len(done.finished) == 20
    assert list(cancelled.as_completed(SOON)) == []


@pytest.mark.parametrize("give", ["map", "run", "submit"])
def test_an_unknown_function_is_refused_at_once(pair: jobqueue.Master, give: str) -> None:
    with pytest.raises(ValueError, match=r"expected one of square, .* got 'cube'"):
        getattr(pair, give)("cube", [1])
    assert nothing_left(pair)


def test_map_names_the_task_that_failed(pair: jobqueue.Master) -> None:
    results = pair.map("square", [1, "two", 3], timeout=SOON)
    assert next(results) == 1
    failed = r"task 1 failed in worker process \d+: TypeError: .* \(tried 3 times\)"
    with pytest.raises(jobqueue.TaskFailed, match=failed):
        next(results)
    assert list(pair.map("square", [4], timeout=SOON)) == [16]
    assert pair.shelf()[-1].number == 1


def test_a_run_keeps_what_failed_beside_what_did_not(pair: jobqueue.Master) -> None:
    trace = pair.run("square", [1, "two", 3], timeout=SOON)
    assert trace.values == [1, None, 9]
    assert list(trace.errors) == [1]


def test_two_threads_share_a_master(pair: jobqueue.Master) -> None:
    with ThreadPoolExecutor(2) as users:
        runs = [users.submit(lambda: list(pair.map("square", range(50), timeout=SOON))) for _ in range(2)]
        assert [run.result() for run in runs] == [[n * n for n in range(50)]] * 2


def test_what_others_put_into_the_plain_queues_disturbs_nobody(pair: jobqueue.Master) -> None:
    for queue in (pair.task_queue, pair.result_queue):
        for thing in ("3 * 3 = 9", None, 5):
            queue.put(thing)
    assert list(pair.map("square", [4], timeout=SOON)) == [16]
    assert (pair.task_queue.qsize(), pair.result_queue.qsize()) == (3, 3)


@pytest.mark.parametrize("give", ["map", "run"])
def test_a_bar_shows_the_progress(
    pair: jobqueue.Master, capsys: pytest.CaptureFixture[str], give: str
) -> None:
    with contextlib.suppress(TypeError):  # a trace is no iterator
        list(getattr(pair, give)("square", range(5), SOON, progress=True))
    assert "5/5" in capsys.readouterr().err


def test_there_is_no_bar_unless_asked_for(pair: jobqueue.Master, capfd: pytest.CaptureFixture[str]) -> None:
    list(pair.map("square", range(5), timeout=SOON))
    assert capfd.readouterr() == ("", "")


# --- How much is under way ---------------------------------------------------------------------------


def test_an_endless_number_of_arguments_is_read_as_results_are_taken(alone: jobqueue.Master) -> None:
    read, most = itertools.count(), batch_module.WINDOW + batch_module._MESSAGE
    numbers = (len(str(n)) for n in read)
    with jobqueue.launch_workers(alone, 2, prefetch=500):
        results = alone.map("square", numbers, timeout=SOON)
        for taken in range(1, 30_001):
            assert next(results) == len(str(taken - 1)) ** 2
            if taken % 1000 == 0:
                given = next(read)  # one number is left out each time
                assert taken <= given <= taken + most + taken // 1000
                stats = alone.stats()
                assert stats.waiting + stats.in_work <= most
        results.close()
        assert until(lambda: nothing_left(alone))


def test_without_results_only_a_window_is_read(alone: jobqueue.Master) -> None:
    read = itertools.count()
    batch = alone.submit("square", read)
    assert next(read) == batch_module.WINDOW
    with pytest.raises(TimeoutError, match=f"{batch_module.WINDOW} tasks still out"):
        next(batch.as_completed(0.01))
    assert alone.stats().waiting == batch_module.WINDOW


def test_of_large_arguments_fewer_are_under_way(alone: jobqueue.Master) -> None:
    million = b"x" * 1_000_000
    batch = alone.submit("square", (million for _ in itertools.count()))
    assert alone.stats().waiting == batch_module.WINDOW_BYTES // len(million)
    batch.cancel()


@pytest.mark.parametrize("bad_at", [3, batch_module.WINDOW + 500])
def test_an_argument_that_cannot_be_sent(alone: jobqueue.Master, bad_at: int) -> None:
    lock = threading.Lock()
    numbers = (lock if n == bad_at else n for n in itertools.count())
    with jobqueue.launch_workers(alone, 2, prefetch=500):
        with pytest.raises(TypeError, match=f"arguments: number {bad_at} cannot be sent"):
            list(alone.map("square", numbers, timeout=SOON))
        assert until(lambda: nothing_left(alone))


def test_what_was_given_before_a_bad_argument_can_still_be_had(alone: jobqueue.Master) -> None:
    bad_at = batch_module.WINDOW + 500

    def numbers() -> Iterator[int]:
        yield from range(bad_at)
        raise ZeroDivisionError("no more numbers")

    batch = alone.submit("square", numbers())
    with jobqueue.launch_workers(alone, 2, prefetch=500):
        spans = batch.as_completed(SOON)
        with pytest.raises(ZeroDivisionError, match="no more numbers"):
            list(spans)
        batch.wait(SOON)
    assert sorted(batch.finished) == list(range(bad_at))


def test_a_batch_whose_first_arguments_are_bad_leaves_nothing_behind(alone: jobqueue.Master) -> None:
    with pytest.raises(TypeError, match="number 1500 cannot be sent"):
        alone.submit("square", [*range(1500), lambda: 0])
    assert alone.stats().waiting == 0


# --- Time-outs and interrupts ------------------------------------------------------------------------


def test_a_time_out_names_what_is_still_out_in_short(alone: jobqueue.Master) -> None:
    with pytest.raises(TimeoutError) as error:
        list(alone.map("square", [10**5000, *"x" * 300, "x" * 100_000], timeout=0.5))
    assert len(str(error.value)) < 1000
    assert "302 tasks still out (square(<int of 16,610 bits>), square('x')" in str(error.value)
    assert nothing_left(alone)


def test_a_batch_goes_on_after_a_time_out(alone: jobqueue.Master) -> None:
    batch = alone.submit("square", range(5))
    with pytest.raises(TimeoutError, match="5 tasks still out"):
        batch.wait(0.01)
    with jobqueue.launch_workers(alone):
        assert batch.wait(SOON).values == [0, 1, 4, 9, 16]


@posix
def test_a_master_that_does_not_answer_is_a_time_out(alone: jobqueue.Master) -> None:
    batch = alone.submit("square", range(5))
    frozen = psutil.Process(alone.pid)
    frozen.suspend()
    try:
        with pytest.raises(TimeoutError, match="5 tasks still out"):
            batch.wait(0.5)
    finally:
        frozen.resume()
    with jobqueue.launch_workers(alone):
        assert batch.wait(SOON).values == [0, 1, 4, 9, 16]


def test_a_run_that_is_interrupted_does_not_disturb_the_next(master: jobqueue.Master, gate: Gate) -> None:
    def interrupt() -> None:
        gate.reached()
        programs.interrupt_myself()

    with jobqueue.launch_workers(master):
        watcher = threading.Thread(target=interrupt)
        watcher.start()
        with pytest.raises(KeyboardInterrupt):
            list(master.map("fetch", [gate.url, "no address"], timeout=SOON))
        watcher.join()
        gate.open()
        for size in (3, 5):
            assert list(master.map("square", range(size), timeout=SOON)) == [n * n for n in range(size)]


def test_a_batch_goes_on_after_an_interrupt(master: jobqueue.Master, gate: Gate) -> None:
    def interrupt() -> None:
        gate.reached()
        time.sleep(0.3)  # until the batch waits, most likely; it need not
        programs.interrupt_myself()

    def wait() -> None:
        watcher.start()
        batch.wait(SOON)

    batch = master.submit("fetch", [gate.url] * 3)
    watcher = threading.Thread(target=interrupt)
    with jobqueue.launch_workers(master):
        with pytest.raises(KeyboardInterrupt):
            wait()
        watcher.join()
        gate.open()
        for _ in range(2):
            gate.reached().open()
        assert batch.wait(SOON).values == [3, 3, 3]
    assert master.stats()[:6] == (0, 0, 3, 0, 0, 0)


FORGETFUL = """
from helpers import jobqueue
master = jobqueue.launch_master()
workers = jobqueue.launch_workers(master)
results = master.map("square", range(10))
assert next(results) == 0
spans = master.submit("square", range(10)).as_completed()
next(spans)
"""


def test_a_program_may_end_in_the_middle_of_its_results(start: Start) -> None:
    assert ended(start("-c", FORGETFUL)) == (0, "", "")


# --- The master dies ---------------------------------------------------------------------------------


def test_a_batch_resumes_on_another_master_and_keeps_what_is_finished(
    alone: jobqueue.Master, two_gates: list[Gate]
) -> None:
    first, second = two_gates
    batch = alone.submit("fetch", [first.url] * 3 + [second.url] * 4)
    with jobqueue.launch_workers(alone):
        for _ in range(3):
            first.reached().open()
        spans = batch.as_completed(SOON)
        before = [next(spans).job]
        second.reached()
        alone.kill()
        with pytest.raises(jobqueue.MasterGone, match=r"launch a new one.*batch\.resume\(master\)"):
            before.extend(span.job for span in spans)
    kept = dict(batch.finished)
    assert set(before) <= set(kept) <= {0, 1, 2}
    with jobqueue.launch_master() as other, jobqueue.launch_workers(other):
        batch.resume(other)
        for gate, times in ((first, 3 - len(kept)), (second, 4)):
            for _ in range(times):
                gate.reached().open()
        after = [span.job for span in batch.as_completed(SOON)]
        assert other.stats().done == 7 - len(kept), "what is finished is not done again"
    assert sorted(before + after) == list(range(7)), "each is handed out once"
    assert kept.items() <= batch.finished.items()
    assert batch.wait(SOON).values == [3] * 7


def test_a_large_batch_resumes_with_arguments_that_nobody_has_read_yet(alone: jobqueue.Master) -> None:
    size = batch_module.WINDOW + 5000
    batch = alone.submit("square", iter(range(size)))
    alone.kill()
    with pytest.raises(jobqueue.MasterGone):
        batch.wait(SOON)
    with jobqueue.launch_master() as other, jobqueue.launch_workers(other, 2, prefetch=500):
        batch.resume(other)
        assert [span.value for span in batch.in_order(SOON)] == [n * n for n in range(size)]
        assert other.stats().done == size


def test_a_master_that_was_killed_is_gone_for_every_call(alone: jobqueue.Master) -> None:
    batch = alone.submit("square", [1])
    with jobqueue.launch_workers(alone, 2) as workers:
        alone.kill()
        for ask in (
            alone.stats,
            alone.shelf,
            lambda: alone.submit("square", [1]),
            lambda: alone.map("square", [1]),
            batch.wait,
        ):
            with pytest.raises(jobqueue.MasterGone, match="launch a new one"):
                ask()
        last = [line for line in workers.lines() if not line.startswith("square(1)")]
        assert ["went away" in line for line in last] == [True, True]
        assert workers.exit_codes == [5, 5]


LEFT_HALF_WAY = """
from helpers import jobqueue

master = jobqueue.launch_master()
workers = jobqueue.launch_workers(master, 1)
values = master.map("square", range(5))
print(next(values))
"""


def test_a_program_may_end_with_results_still_out() -> None:
    """Python takes its modules apart before the generator, most of all where there is no GIL."""
    done = subprocess.run([sys.executable, "-c", LEFT_HALF_WAY], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_a_batch_without_workers_says_so_once(alone, monkeypatch):
    monkeypatch.setattr(batch_module, "_LONELY", 0.1)
    batch = alone.submit("square", [3, 4])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(TimeoutError):
                batch.wait(0.8)
    (only,) = told
    assert str(only.message).startswith("no worker is connected to this master (tasks out: 2): launch some")
