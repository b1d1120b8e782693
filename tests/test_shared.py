"""The board as many threads share it: who waits, who is woken, and by what."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.jobqueue.board import Board
from helpers.jobqueue.shared import SharedBoard

LONG = 30  # seconds that a call may wait; what wakes it comes long before
SOON = 15


@pytest.fixture
def shared():
    return SharedBoard(Board(lease=LONG, retry_delay=0))


@pytest.fixture
def user():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def put_up(shared, *numbers, batch="b", function="f"):
    return shared.submit("client", batch, [(number, function, b"") for number in numbers])


def waiting(shared, ask):
    """Ask in another thread, and return when it waits; its ``result`` must come soon."""
    before = len(shared._work._waiters) + len(shared._news._waiters)
    thread = ThreadPoolExecutor(1)
    answer = thread.submit(ask)
    thread.shutdown(wait=False)
    end = time.monotonic() + SOON
    while len(shared._work._waiters) + len(shared._news._waiters) == before:
        assert time.monotonic() < end, "it does not wait"
        time.sleep(0.001)
    return answer


def test_who_waits_for_a_task_is_woken_by_one(shared):
    taken = waiting(shared, lambda: shared.take("w", [], 1, LONG))
    put_up(shared, 0)
    assert taken.result(SOON) == [("b", 0, "f", b"")]


def test_as_many_are_woken_as_there_are_tasks(shared):
    takers = [waiting(shared, lambda name=name: shared.take(name, [], 1, LONG)) for name in "uvw"]
    put_up(shared, 0, 1, 2)
    assert sorted(taken.result(SOON)[0][1] for taken in takers) == [0, 1, 2]


def test_who_waits_for_results_is_woken_by_one(shared):
    put_up(shared, 0)
    shared.take("w", [], 1, 0)
    collected = waiting(shared, lambda: shared.collect("b", 0, 9, LONG))
    assert shared.take("w", [("b", 0, None, "report")], 1, 0) == []
    assert collected.result(SOON) == [(0, "w", (), "report")]


def test_a_task_finds_the_one_that_can_take_it_among_those_who_wait(shared):
    others = [waiting(shared, lambda name=name: shared.take(name, [], 1, 1, "g")) for name in "uv"]
    taken = waiting(shared, lambda: shared.take("w", [], 1, LONG, "f"))
    put_up(shared, 0, function="f")
    assert taken.result(SOON) == [("b", 0, "f", b"")]
    assert [other.result(SOON) for other in others] == [[], []]


def test_what_a_leaving_worker_gives_back_wakes_another(shared):
    put_up(shared, 0, 1)
    shared.take("w", [], 2, 0)
    taken = waiting(shared, lambda: shared.take("v", [], 1, LONG))
    shared.leave("w", [("b", 0, None, "report")])
    assert taken.result(SOON) == [("b", 1, "f", b"")]
    assert shared.collect("b", 0, 9, 0) == [(0, "w", (), "report")]


def test_a_lease_that_ends_wakes_another_worker():
    shared = SharedBoard(Board(lease=0.2, retry_delay=0.1))
    put_up(shared, 0)
    shared.take("w", [], 1, 0)
    assert shared.take("v", [], 1, LONG) == [("b", 0, "f", b"")]
    assert shared.stats().retried == 1


def test_a_master_that_stood_still_takes_no_task_away():
    shared = SharedBoard(Board(lease=0.2))
    put_up(shared, 0)
    shared.take("w", [], 1, 0)
    threading.Thread(target=shared.keep_time, daemon=True).start()
    with shared._work:
        shared._looked = time.perf_counter() - 0.5  # as if nobody had had a turn for half a second
        shared._now()
    assert shared.take("v", [], 1, 0.3) == [], "its lease lasts longer by that"
    assert shared.take("v", [], 1, LONG) == [("b", 0, "f", b"")]


def test_a_last_lease_that_ends_wakes_the_client():
    shared = SharedBoard(Board(lease=0.2, attempts=1))
    put_up(shared, 0)
    shared.take("w", [], 1, 0)
    ((number, worker, errors, report),) = shared.collect("b", 0, 9, LONG)
    assert (number, worker, len(errors), report) == (0, "w", 1, None)
    assert [task.number for task in shared.shelf()] == [0]


def test_nothing_comes_of_waiting_where_nothing_happens(shared):
    assert shared.take("w", [], 1, 0.01) == []
    assert shared.collect("b", 0, 9, 0.01) is None, "there is no such batch"
    put_up(shared, 0, function="another")
    assert shared.take("w", [], 1, 0.01, "f") == []
    assert shared.collect("b", 0, 9, 0.01) == []
    shared.cancel("b")
    assert shared.take("w", [], 1, 0.01) == []


def test_a_sign_of_life_keeps_a_task():
    shared = SharedBoard(Board(lease=1))
    put_up(shared, 0)
    shared.take("w", [], 1, 0)
    end = time.perf_counter() + 1.2
    while time.perf_counter() < end:
        shared.heartbeat("w")
        time.sleep(0.05)
    stats = shared.stats()
    assert (stats.in_work, stats.retried) == (1, 0)


def test_calls_that_give_the_time_give_the_masters(shared):
    before = time.perf_counter()
    assert before <= put_up(shared, 0) <= shared.heartbeat("w") <= time.perf_counter()


def test_no_two_workers_have_one_name(shared):
    names = [shared.join("here:5")[0] for _ in range(3)]
    assert names == ["here:5", "here:5#2", "here:5#3"]
    assert shared.join("here:6") == ("here:6", LONG)
    assert shared.hello()[0] == os.getpid()


def test_many_threads_lose_nothing_and_do_nothing_twice(shared):
    """Four workers and two clients at once; half of the workers leave in between and come again."""
    size, over = 3000, threading.Event()

    def work(name):
        done = []
        while not over.is_set():
            loans = shared.take(name, done, 7, 0.01)
            done = [(batch, number, None, (batch, number)) for batch, number, *_ in loans]
            if len(name) > 1 and len(done) > 3:
                shared.leave(name, done[:3])
                done = []

    def use(batch):
        seen = []
        for first in range(0, size, 100):
            put_up(shared, *range(first, first + 100), batch=batch)
            seen += shared.collect(batch, len(seen), 50, 0)
        while len(seen) < size:
            seen += (more := shared.collect(batch, len(seen), 50, SOON))
            assert more, f"only {len(seen)} results"
        return seen

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work, name) for name in ("u", "v", "uu", "vv")]
        try:
            results = {batch: pool.submit(use, batch) for batch in "ab"}
            for batch, found in results.items():
                assert sorted(r[3] for r in found.result(60)) == [(batch, n) for n in range(size)]
        finally:
            over.set()
        for worker in workers:
            worker.result(SOON)
    assert shared.stats()[:6] == (0, 0, 2 * size, 0, 0, 0)
