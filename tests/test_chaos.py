"""Runs with kills: what was killed, what was seen meanwhile, and that no result is missing or there twice."""

import random
import signal
import sys
import time
from functools import partial
from itertools import pairwise

import psutil
import pytest
from queue_helpers import until

from helpers import jobqueue
from helpers.experiments import chaos
from helpers.traces import Span, Worker

TASKS, TERMS = 60, 100_000


@pytest.fixture(scope="module")
def stormy():
    """Run once with three kills; return the run, the calls of its watcher, and the crew's processes."""
    calls = []

    def watch(samples, kills):
        calls.append((len(samples), dict(kills)))

    with jobqueue.launch_master(lease=1) as master, jobqueue.launch_workers(master, 2) as workers:
        first = set(workers.pids)
        run = chaos.run(master, workers, "pi_sum", [TERMS] * TASKS, kills=3, seed=1, watch=watch)
        yield run, calls, first, set(workers.pids), master.stats()


def test_every_task_has_one_result(stormy):
    run, _, _, _, stats = stormy
    assert sorted(run.order) == list(range(TASKS)) == [span.job for span in run.trace.spans]
    assert run.trace.errors == {}
    assert len(set(run.trace.values)) == 1
    assert stats.done == TASKS
    assert stats.retried >= 1


def test_as_many_are_killed_as_were_asked_for_and_each_is_replaced(stormy):
    run, _, first, last, _ = stormy
    assert len(run.kills) == 3
    assert not any(psutil.pid_exists(pid) for pid in run.kills if pid not in last)
    assert len(last) == len(first)
    assert len((first | set(run.kills)) - last) == 3
    assert run.trace.pids >= set(run.kills)


def test_samples_tell_the_board_s_figures_from_first_to_last(stormy):
    run, _, _, _, _ = stormy
    assert run.samples[0][1:] == (0, 0, 0)
    assert run.samples[-1][1:] == (0, 0, TASKS)
    for before, after in pairwise(run.samples):
        assert before.time < after.time
        assert before.done <= after.done
    assert {sum(sample[1:]) for sample in run.samples} == {0, TASKS}
    start, end = run.samples[0].time, run.samples[-1].time
    assert start < run.trace.start
    assert all(start < moment < end for moment in run.kills.values())


def test_the_watcher_sees_the_start_and_the_end_and_not_every_result(stormy):
    run, calls, _, _, _ = stormy
    assert calls[0][1] == {}
    assert calls[-1] == (len(run.samples), run.kills)
    assert 2 <= len(calls) < TASKS


def test_samples_count_what_is_done_within_and_outlive_the_master():
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master):
        assert list(master.map("square", [1, 2])) == [1, 4]
        with chaos.samples(master, every=0.001) as found:
            assert list(master.map("square", [3])) == [9]
            assert until(lambda: found[-1].done == 1)
            master.kill()
            seen = len(found)
            time.sleep(0.05)
        assert len(found) <= seen + 1
    assert {sample.done for sample in found} == {0, 1}


def test_the_seed_decides_when():
    class Crew:
        pids = ()

    first, again, other = (chaos._Reaper(Crew(), random.Random(seed), 100, 5)._due for seed in (1, 1, 2))
    assert first == again != other
    assert [int(due // 16) for due in first] == list(range(5))


def test_a_kill_falls_anywhere_in_a_task_but_keeps_nobody_waiting_for_long(monkeypatch):
    class Crew:
        pids = (7, 8)
        added = 0

        def add(self):
            self.added += 1

    class Process:
        def __init__(self, pid):
            self.kill = partial(killed.append, pid)

    pauses, killed, crew = [], [], Crew()
    monkeypatch.setattr(chaos.time, "sleep", pauses.append)
    monkeypatch.setattr(chaos.psutil, "Process", Process)
    reaper = chaos._Reaper(crew, random.Random(1), 100, 40)
    for done in range(101):
        seconds = 0.1 if done < 50 else 60.0
        reaper.strike(done, Span(done, Worker(8, 8), 0.0, 0.0, seconds, seconds, 0.0))
    assert killed == [8] * 40  # 7 has had no result
    assert crew.added == len(pauses) == 40
    assert min(pauses[:20]) < 0.03 < 0.07 < max(pauses[:20]) < 0.1
    assert max(pauses) <= 0.5


def test_of_an_interrupted_run_nothing_goes_on():
    def interrupt(*_):
        raise KeyboardInterrupt

    with jobqueue.launch_master() as master, jobqueue.launch_workers(master) as workers:
        with pytest.raises(KeyboardInterrupt, match="has been interrupted") as kept:  # as a notebook keeps it
            chaos.run(master, workers, "pi_sum", [1000] * 50, kills=0, watch=interrupt)
        assert kept.value.__suppress_context__  # what the interrupt fell into would fill a page
        assert kept.tb
        assert until(lambda: master.stats()[:2] == (0, 0))


def test_bad_numbers_of_kills_are_refused():
    for kills in (-1, 2):
        with pytest.raises(
            ValueError, match=f"kills: expected at most half the number of tasks, got {kills}"
        ):
            chaos.run(None, None, "square", [1, 2, 3], kills=kills)


def test_a_task_that_crashes_its_workers_is_shelved_and_the_others_are_done():
    with (
        jobqueue.launch_master(lease=0.5, attempts=2, retry_delay=0) as master,
        jobqueue.launch_workers(master, 3) as workers,
    ):
        (poison,) = master.submit("crash", [None]).as_completed()
        assert list(master.map("square", range(9))) == [n * n for n in range(9)]
        (shelved,) = master.shelf()
        codes = sorted(workers.exit_codes, key=str)
    assert (shelved.function, len(set(shelved.errors))) == ("crash", 2)
    assert "sent no heartbeat" in poison.error
    assert codes.count(None) == 1
    assert codes[0] == codes[1] == (-signal.SIGSEGV if sys.platform != "win32" else 0xC0000005)
