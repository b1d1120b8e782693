"""Ten thousand tasks while workers are killed, or stopped past their lease and continued."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
from queue_helpers import SOON, posix, until

from helpers import jobqueue, jobs

SIZE, COUNT = 10_000, 4
TERMS = [3_000 + n % 7 for n in range(SIZE)]
VALUES = {terms: jobs.pi_sum(terms) for terms in set(TERMS)}


@contextmanager
def meanwhile(master: jobqueue.Master, disturb: Callable[[], None]) -> Iterator[list[float]]:
    """Disturb every half second, or fifth of the tasks, while the block lasts; hand out when it was done."""
    over, moments = threading.Event(), []

    def due() -> bool:
        return over.is_set() or master.stats().done >= (len(moments) + 1) * SIZE / 5

    def disturb_on() -> None:
        until(due, 0.5)
        while not over.is_set():
            disturb()
            moments.append(time.perf_counter())
            until(due, 0.5)

    with ThreadPoolExecutor(1) as thread:
        disturbing = thread.submit(disturb_on)
        try:
            yield moments
        finally:
            over.set()
    disturbing.result()


def check_run(master: jobqueue.Master, disturb: Callable[[], None]) -> None:
    """Run all tasks while they are disturbed, and check that each came home once."""
    with meanwhile(master, disturb) as moments:
        batch = master.submit("pi_sum", TERMS)
        spans = list(batch.as_completed(SOON))
        assert len(moments) >= 2
    came = Counter(span.job for span in spans)
    assert came == Counter(range(SIZE)), "a result for each task, none twice and none lost"
    assert not [span.error for span in spans if span.error]
    assert all(span.value == VALUES[TERMS[span.job]] for span in spans)
    stats = master.stats()
    assert (stats.waiting, stats.in_work, stats.done, stats.shelved) == (0, 0, SIZE, 0)


@pytest.mark.parametrize("prefetch", [1, 20])
def test_workers_that_are_killed_and_replaced_lose_nothing(prefetch: int) -> None:
    with (
        jobqueue.launch_master(lease=1, attempts=10) as master,
        jobqueue.launch_workers(master, COUNT, prefetch=prefetch) as workers,
    ):

        def replace() -> None:
            workers.kill_one()
            workers.add()

        check_run(master, replace)
        assert len([code for code in workers.exit_codes if code not in (None, 0)]) >= 2
        assert master.stats().retried >= 1


@posix
def test_workers_that_are_stopped_past_their_lease_and_continued_do_nothing_twice() -> None:
    with (
        jobqueue.launch_master(lease=0.5, attempts=10, retry_delay=0) as master,
        jobqueue.launch_workers(master, COUNT) as workers,
    ):

        def stop_and_continue() -> None:
            """Stop a worker until its task has been lent again, and done by another."""
            worker = psutil.Process(workers.pids[0])
            before = master.stats()
            worker.suspend()
            try:
                assert until(lambda: master.stats().retried > before.retried or nothing_left())
                again = master.stats().done
                assert until(lambda: master.stats().done >= again + 10 or nothing_left())
            finally:
                worker.resume()

        def nothing_left() -> bool:
            stats = master.stats()
            return stats.waiting == stats.in_work == 0

        check_run(master, stop_and_continue)
        assert until(lambda: master.stats().late >= 1), "a worker brings what another has brought"
        assert workers.exit_codes == [None] * COUNT
        assert list(master.map("square", range(5), timeout=SOON)) == [0, 1, 4, 9, 16]
