"""The same jobs, one after another, in threads, in processes by every start method: what comes back."""

import asyncio
import faulthandler
import itertools
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import psutil
import pytest

from helpers import clocked, jobs, ways
from helpers.traces import Worker
from helpers.ways import cores, interpreters

METHODS = multiprocessing.get_all_start_methods()
KINDS = [("serial", None), ("threads", None), *(("processes", method) for method in METHODS)]
CLOCK_STEP = 1 / 64  # seconds: the coarsest clock of CPU time, that of Windows
ME = Worker(os.getpid(), threading.get_native_id())


def name(kind):
    return "-".join(filter(None, kind))


@pytest.fixture(scope="class", params=KINDS, ids=name)
def kind(request):
    return request.param


@pytest.fixture(scope="class")
def pool(kind):
    """Two workers of one kind, for all tests that break nothing."""
    way, method = kind
    with ways.pool(way, 2, method) as run:
        yield run


@pytest.fixture
def way(kind):
    return kind[0]


@dataclass
class Adder:
    """A job with a value of its own; a plain dataclass, which has no hash."""

    number: int

    def __call__(self):
        return self.number + 1


class TestEveryKind:
    def test_values_come_in_the_order_of_the_jobs(self, pool, way):
        sizes = [40_000, 1, 4_000, 2, 400, 3]
        trace = pool([partial(jobs.pi_sum, size) for size in sizes])
        assert trace.values == [jobs.pi_sum(size) for size in sizes]
        assert [span.job for span in trace.spans] == [0, 1, 2, 3, 4, 5]
        assert trace.way == way
        assert trace.errors == {}

    def test_an_error_stays_with_its_job(self, pool):
        trace = pool([partial(int, "1"), partial(int, "one"), partial(sys.exit, 3), partial(int, "2")])
        assert trace.values == [1, None, None, 2]
        assert trace.errors == {
            1: "ValueError: invalid literal for int() with base 10: 'one'",
            2: "SystemExit: 3",
        }

    def test_a_value_that_cannot_travel_is_an_error_of_its_job(self, pool, way):
        trace = pool([partial(int, "1"), threading.Lock])
        if way == "processes":
            assert trace.values == [1, None]
            assert "pickle" in trace.errors[1]
        else:
            assert trace.errors == {}

    def test_workers_are_where_they_should_be(self, pool, way):
        """Also those that had nothing to do: two workers, one job."""
        trace = pool([os.getpid])
        assert trace.master == os.getpid()
        assert trace.spans[0].worker in trace.workers
        assert trace.values == [trace.spans[0].worker.pid]
        assert len(set(trace.workers)) == len(trace.workers) == (1 if way == "serial" else 2)
        if way == "serial":
            assert trace.workers == (ME,)
        elif way == "threads":
            assert trace.pids == {os.getpid()}
            assert ME not in trace.workers
        else:
            assert len(trace.pids) == 2
            assert os.getpid() not in trace.pids

    def test_times_are_in_order(self, pool, way):
        """That the times of a span are in order, each span has checked itself."""
        trace = pool([partial(jobs.pi_sum, 4_000)] * 6)
        assert [span.given for span in trace.spans] == sorted(span.given for span in trace.spans)
        for worker in trace.workers:
            mine = sorted((s for s in trace.spans if s.worker == worker), key=lambda span: span.started)
            assert all(before.finished <= after.started for before, after in pairwise(mine))
        assert trace.most_at_once <= len(trace.workers)
        assert 0 <= trace.cpu <= sum(span.seconds for span in trace.spans) + CLOCK_STEP * len(trace.spans)

    def test_a_job_that_takes_tick_is_looked_at(self, pool):
        with_tick, without = pool([jobs.pi_sum, partial(sum, range(10_000))]).spans
        assert without.samples == ()
        assert len(with_tick.samples) > 1
        times = [with_tick.started, *(at for at, _ in with_tick.samples), with_tick.finished]
        used = [0.0, *(cpu for _, cpu in with_tick.samples), with_tick.cpu]
        assert times == sorted(times)
        assert used == sorted(used)

    def test_a_job_may_have_no_signature(self, pool):
        assert pool([dict]).values == [{}]

    def test_a_job_may_be_an_object_that_cannot_be_hashed(self, pool):
        assert pool([Adder(1), Adder(2)]).values == [2, 3]

    def test_more_jobs_than_workers_all_come_back(self, pool):
        numbers = range(300)
        assert pool([partial(abs, -number) for number in numbers]).values == list(numbers)

    @pytest.mark.parametrize(
        ("wrong", "error", "text"),
        [
            ([], ValueError, "jobs: expected at least one job, got none"),
            ([abs, 7], TypeError, r"jobs\[1\]: expected a function, got 7"),
            (abs, TypeError, "jobs: expected a list of functions, got <built-in function abs>"),
        ],
    )
    def test_wrong_jobs_are_refused(self, pool, wrong, error, text):
        with pytest.raises(error, match=text):
            pool(wrong)

    def test_a_lambda_is_refused_where_it_cannot_be_imported(self, pool, way):
        work = [os.getpid, lambda: 7]
        if way == "processes":
            with pytest.raises(TypeError, match=r"jobs\[1\]: a process must import .* not a lambda"):
                pool(work)
        else:
            assert pool(work).values[1] == 7


def test_a_function_made_in_a_cell_is_refused_for_processes():
    """The module of a cell has no file, nor has that of ``python -c``."""
    program = (
        "from helpers import ways\n"
        "def cell(): return 7\n"
        "print(ways.run([cell], 'serial').values, ways.run([cell], 'threads').values)\n"
        "try: ways.run([abs, cell], 'processes')\n"
        "except TypeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    worked, refused = done.stdout.splitlines()
    assert worked == "[7] [7]"
    assert refused.startswith("jobs[1]: a process must import its job by name, so expected a function")
    assert done.stderr == ""


@pytest.mark.parametrize("way_name", ways.ALL_WAYS)
@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "2", None])
def test_a_wrong_number_of_workers_is_refused(way_name, wrong):
    with pytest.raises(ValueError, match=f"workers: expected a whole number of at least 1, got {wrong!r}"):
        ways.run([os.getpid], way_name, wrong)


@pytest.mark.parametrize("wrong", ["magic", "", None, 3])
def test_an_unknown_way_is_refused(wrong):
    with pytest.raises(ValueError, match=f"way: expected one of {', '.join(ways.ALL_WAYS)}, got {wrong!r}"):
        ways.run([os.getpid], wrong)


def test_an_unknown_start_method_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=f"start_method: this system has {', '.join(METHODS)}, got 'magic'"):
        ways.run([os.getpid], "processes", 1, "magic")
    monkeypatch.setenv("HELPERS_START_METHOD", "magic")
    with pytest.raises(ValueError, match=r"HELPERS_START_METHOD: this system has .*, got 'magic'"):
        ways.run([os.getpid], "processes")


def test_a_reading_that_was_interrupted_is_left_out(monkeypatch):
    """Between the two clocks the thread may lose its core, or collect garbage for a hundredth of a second."""
    watch = clocked.Watch()
    now = itertools.count(time.perf_counter() + 1, 0.001)
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch.tick()
    assert watch.samples == []
    monkeypatch.setattr(time, "perf_counter", lambda: 10.0**9)
    watch.tick()
    assert [at for at, _ in watch.samples] == [10.0**9]


def test_the_switch_interval_is_put_back():
    before = sys.getswitchinterval()

    def fail():
        with ways.switch_interval(0.05):
            assert sys.getswitchinterval() == pytest.approx(0.05)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sys.getswitchinterval() == before


def test_without_a_block_the_switch_interval_is_set_at_once_and_says_so():
    before = sys.getswitchinterval()
    try:
        said = repr(ways.switch_interval(0.05))
        assert sys.getswitchinterval() == pytest.approx(0.05)
        assert said == (
            f"<switch interval of 0.05 s from now on; ways.switch_interval({before:g}) sets it back>"
        )
    finally:
        ways.switch_interval(before)
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize("wrong", [0, -1, 1e-9, 11, "0.005", None, float("nan"), True])
def test_a_wrong_switch_interval_is_refused(wrong):
    before = sys.getswitchinterval()
    with pytest.raises(ValueError, match=f"seconds: expected 1e-06 to 10 seconds, got {wrong!r}"):
        ways.switch_interval(wrong)
    assert sys.getswitchinterval() == before


# --- One thread with an event loop ---------------------------------------------------------------------


async def wait(seconds=0.01):
    await asyncio.sleep(seconds)
    return threading.get_native_id()


async def wait_for_others(started):
    """Take part once three have started, so that three are under way at once however slow the start is."""
    started.append(None)
    while len(started) < 3:
        await asyncio.sleep(0.001)
    return threading.get_native_id()


@pytest.fixture
def loop():
    with ways.pool("asyncio", 3) as run:
        yield run


def test_coroutines_overlap_in_one_thread_up_to_the_limit(loop):
    trace = loop([partial(wait_for_others, [])] * 6)
    assert trace.errors == {}
    assert len(trace.workers) == 1
    assert {span.worker for span in trace.spans} == set(trace.workers)
    assert set(trace.values) == {trace.workers[0].thread}
    assert ME not in trace.workers
    assert trace.most_at_once == 3


def test_a_notebooks_running_loop_is_no_hindrance():
    async def cell():
        return ways.run([partial(wait, 0)] * 2, "asyncio", 2)

    assert asyncio.run(cell()).errors == {}


async def compute_and_wait(compute):
    jobs.pi_sum(compute)
    await asyncio.sleep(0.01)
    jobs.pi_sum(compute)
    await asyncio.sleep(0.01)


def test_cpu_time_is_that_of_the_job_and_not_of_its_neighbours(loop):
    """One computes in several steps while two wait; added up, no thread can use more than the wall's time."""
    trace = loop([partial(compute_and_wait, size) for size in (400_000, 1, 1)])
    busy, *waiting = trace.spans
    assert all(span.cpu < busy.cpu / 2 for span in waiting)
    assert trace.cpu <= trace.wall + CLOCK_STEP
    for span in trace.spans:
        times, used = zip((span.started, 0.0), *span.samples, (span.finished, span.cpu), strict=True)
        assert list(times) == sorted(times)
        assert list(used) == sorted(used)


def test_an_ordinary_function_holds_up_the_loop(loop):
    trace = loop([partial(jobs.pi_sum, 4_000)] * 4)
    assert trace.values == [jobs.pi_sum(4_000)] * 4
    assert trace.most_at_once == 1
    assert all(span.samples for span in trace.spans)


async def fail(error):
    await asyncio.sleep(0)
    raise error


def test_an_error_in_a_coroutine_stays_with_its_job(loop):
    trace = loop([partial(fail, KeyError("lost")), partial(fail, asyncio.CancelledError()), wait])
    assert trace.errors == {0: "KeyError: 'lost'", 1: "CancelledError: "}


async def tidy(tidied):
    try:
        await asyncio.sleep(1000)
    finally:
        tidied.append(True)


def test_coroutines_under_way_are_cancelled_when_the_block_is_left():
    """An interrupt reaches the master while it waits; the jobs may still tidy up."""
    tidied = []
    began = threading.active_count()

    async def interrupt():
        await asyncio.sleep(0.05)
        signal.raise_signal(signal.SIGINT) if sys.platform == "win32" else os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ways.run([partial(tidy, tidied), partial(tidy, tidied), interrupt], "asyncio", 3)
    assert tidied == [True, True]
    assert threading.active_count() == began


def test_the_loop_takes_no_jobs_after_the_block():
    with ways.pool("asyncio", 2) as run:
        run([wait])
    with pytest.raises(RuntimeError, match="after shutdown"):
        run([wait])


@pytest.mark.parametrize("way_name", ways.WAYS)
def test_a_coroutine_function_is_refused_elsewhere(way_name):
    with pytest.raises(TypeError, match=r"jobs\[1\]: only asyncio runs a coroutine function"):
        ways.run([os.getpid, partial(wait, 0)], way_name)


# --- Interpreters -------------------------------------------------------------------------------------


def test_interpreters_are_there_or_it_says_what_is_missing():
    if "interpreters" not in ways.ALL_WAYS:
        assert ways.lacks("interpreters").startswith("needs Python 3.14 or later")
        with pytest.raises(ValueError, match=r"way: 'interpreters' needs Python 3\.14 or later"):
            ways.run([os.getpid], "interpreters")
        return
    trace = ways.run([partial(jobs.pi_sum, 4_000)] * 6 + [partial(int, "one")], "interpreters", 2)
    assert trace.values[:6] == [jobs.pi_sum(4_000)] * 6
    assert trace.errors == {6: "ValueError: invalid literal for int() with base 10: 'one'"}
    assert trace.pids == {os.getpid()}
    assert len({worker.thread for worker in trace.workers} | {ME.thread}) == 3


def test_a_meeting_waits_for_all_again_and_again():
    meeting = interpreters.Meeting(2, queue.SimpleQueue())
    for _ in range(3):
        with ThreadPoolExecutor() as pool:
            first = pool.submit(meeting.wait, 30)
            with pytest.raises(TimeoutError):
                first.result(0.02)
            meeting.wait(30)
            first.result(30)
    with pytest.raises(threading.BrokenBarrierError):
        meeting.wait(0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread cannot be told where to run")
def test_workers_wait_on_cores_of_their_own_and_may_use_all_for_their_jobs():
    before = os.sched_getaffinity(0)

    def wait(number):
        cores.wait_on_core(number)
        waiting = os.sched_getaffinity(0)
        cores.leave_core()
        return waiting, os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as pool:
        seen = list(pool.map(wait, range(len(before))))
    assert sorted(core for waiting, _ in seen for core in waiting) == sorted(before)
    assert all(working == before for _, working in seen)
    allowed = partial(os.sched_getaffinity, 0)
    for way in ("serial", "threads", "processes", "asyncio"):
        assert ways.run([allowed] * 4, way, 2).values == [before] * 4
    assert os.sched_getaffinity(0) == before


# --- Workers that die, masters that are interrupted or die ---------------------------------------------


def die():
    faulthandler.disable()  # else pytest shows where
    os.abort()


@pytest.mark.parametrize("method", METHODS)
def test_a_job_that_kills_its_process_loses_no_span(method):
    with ways.pool("processes", 2, method) as run:
        broken = run([die] * 4)
        later = run([os.getpid] * 2)
    for trace in (broken, later):
        assert [span.job for span in trace.spans] == sorted(trace.errors) == list(range(len(trace.spans)))
        assert all(error.startswith("BrokenProcessPool: ") for error in trace.errors.values())
    assert len(broken.workers) == 2
    next_run = ways.run([os.getpid] * 2, "processes", 2, method)
    assert next_run.errors == {}
    assert set(next_run.values) <= next_run.pids


@pytest.mark.parametrize("method", METHODS)
def test_an_error_in_the_block_ends_the_processes(method):
    crew = []

    def fail():
        with ways.pool("processes", 2, method) as run:
            crew.extend(psutil.Process(pid) for pid in run([os.getpid]).pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(crew) == 2
    assert psutil.wait_procs(crew, timeout=10)[1] == []


def test_threads_take_no_jobs_after_the_block():
    with ways.pool("threads", 2) as run:
        crew = run([os.getpid]).workers
    assert not {worker.thread for worker in crew} & {thread.native_id for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match="after shutdown"):
        run([os.getpid])


MASTER = """
import os, sys
from functools import partial
from helpers import ways

way, method = sys.argv[1], sys.argv[2] or None
forever = "import os; from helpers import jobs; os.write(1, b'at work\\\\n'); jobs.pi_sum(10**12)"
try:
    ways.run([partial(exec, forever, {})] * 4, way, 2, method)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    if way == "threads":
        os._exit(0)  # a thread cannot be ended
"""


@contextmanager
def master_at_work(way_name, method):
    """A program that runs endless jobs; its output ends when the last of its processes has ended."""
    command = [sys.executable, "-c", MASTER, way_name, method or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as program:
        family = []
        try:
            for _ in range(1 if way_name == "serial" else 2):
                assert program.stdout.readline() == "at work\n"
            family = psutil.Process(program.pid).children(recursive=True)
            assert len(family) >= (2 if way_name == "processes" else 0)
            yield program
        finally:
            program.kill()
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to another program")
@pytest.mark.parametrize(("way_name", "method"), KINDS, ids=map(name, KINDS))
def test_ctrl_c_ends_a_run_within_two_seconds(way_name, method):
    with master_at_work(way_name, method) as program:
        os.killpg(program.pid, signal.SIGINT)
        output, _ = program.communicate(timeout=2)
    assert output == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to another program")
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_of_the_master_alone_ends_its_workers(method):
    with master_at_work("processes", method) as program:
        program.send_signal(signal.SIGINT)
        output, _ = program.communicate(timeout=2)
    assert output == "interrupted\n"


@pytest.mark.parametrize("method", METHODS)
def test_workers_outlive_a_killed_master_by_less_than_two_seconds(method):
    with master_at_work("processes", method) as program:
        program.kill()
        output, _ = program.communicate(timeout=2)
    assert output == ""
