"""The exercises of chapter 02: starter, solution, and wrong answers with the very message that each gets."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.shared_memory import SharedMemory
from threading import Thread

import pytest

from helpers.exercises.of_02 import CountingPool, WatchedMemory, square

# --- Chunks ------------------------------------------------------------------------------------------


def one_by_one(pool, work, numbers, workers):
    return list(pool.map(work, numbers))


def in_chunks(pool, work, numbers, workers):
    return list(pool.map(work, numbers, chunksize=max(1, len(numbers) // (4 * workers))))


def always_a_hundred(pool, work, numbers, workers):
    return list(pool.map(work, numbers, chunksize=100))


def always_five(pool, work, numbers, workers):
    return list(pool.map(work, numbers, chunksize=5))


def all_in_one(pool, work, numbers, workers):
    return list(pool.map(work, numbers, chunksize=len(numbers)))


def chunks_of_none(pool, work, numbers, workers):
    return list(pool.map(work, numbers, chunksize=len(numbers) // workers))


def as_futures(pool, work, numbers, workers):
    return [pool.submit(work, number) for number in numbers]


def alone(pool, work, numbers, workers):
    return [work(number) for number in numbers]


def chunks_in_a_block(pool, work, numbers, workers):
    with pool:
        return list(pool.map(work, numbers, chunksize=max(1, len(numbers) // workers)))


def numbers_back(pool, work, numbers, workers):
    pool.map(work, numbers, chunksize=max(1, len(numbers) // workers))
    return numbers


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda pool, work, numbers, workers: None, "Not attempted yet: nothing was handed to the pool."),
        (one_by_one, "Not attempted yet: 1,000 tiny jobs went to the workers in 1,000 hand-overs, one by"),
        (in_chunks, "Correct: few hand-overs, and work for both workers"),
        (chunks_in_a_block, "Correct: "),
        (always_a_hundred, "Not yet: 10 numbers for 2 workers were handed over in one piece, so one"),
        (always_five, "Not yet: 1,000 numbers for 2 workers were handed over in 200 pieces: more than 10"),
        (all_in_one, "Not yet: 1,000 numbers for 2 workers were handed over in one piece, so one worker"),
        (chunks_of_none, "Not yet: with 1 number for 2 workers it raises ValueError: chunksize must be >="),
        (as_futures, "Not yet: it returns futures, the promises of results: ask each for its result()."),
        (alone, "Not yet: the squares are right, and the pool that was handed over was given"),
        (numbers_back, "Not yet: with 1,000 numbers for 2 workers, work(number) for each number, in"),
        (lambda numbers: numbers, "Not yet: it is called with 4 arguments, and takes (numbers): keep the"),
    ],
)  # fmt: skip
def test_chunks(told, answer, words):
    assert told("02.chunks", answer).startswith(words)
    assert multiprocessing.active_children() == []


def test_a_pool_of_processes_hands_over_each_chunk_by_submit():
    """``CountingPool`` counts on it. If a new Python does otherwise, it has to override ``map`` as well."""
    pool = CountingPool(1)
    try:
        assert list(pool.map(square, range(6), chunksize=2)) == [0, 1, 4, 9, 16, 25]
    finally:
        pool.end()
    assert pool.handed == 3


# --- A share of CPU time -----------------------------------------------------------------------------


def cpu_share(job):
    wall, cpu = time.perf_counter(), time.thread_time()
    job()
    return (time.thread_time() - cpu) / (time.perf_counter() - wall)


def share_of_the_process(job):
    wall, cpu = time.perf_counter(), time.process_time()
    job()
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def share_of_the_wall(job):
    began, wall = time.monotonic(), time.perf_counter()
    job()
    return (time.perf_counter() - wall) / (time.monotonic() - began)


def upside_down(job):
    return 1 / max(cpu_share(job), 1e-6)


def share_from_another_thread(job):
    thread = Thread(target=job)
    wall, cpu = time.perf_counter(), time.thread_time()
    thread.start()
    thread.join()
    return (time.thread_time() - cpu) / (time.perf_counter() - wall)


def in_two_runs(job):
    wall = time.perf_counter()
    job()
    wall, cpu = time.perf_counter() - wall, time.thread_time()
    job()
    return (time.thread_time() - cpu) / wall


def in_percent(job):
    return f"{100 * cpu_share(job):.0f} %"


def cpu_seconds(job):
    cpu = time.thread_time()
    job()
    return time.thread_time() - cpu


def half(job):
    return cpu_share(job) / 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda job: None, "Not attempted yet: the job was not run."),
        (lambda job: job() and None, "Not yet: the job was run, and nothing was returned."),
        (lambda job: 0.5, "Not yet: the job was never run: call job() between two looks at the clocks."),
        (cpu_share, "Correct: CPU seconds of the thread that ran the job"),
        (share_of_the_process, "Not yet: while the job waited, another thread computed, and its CPU time"),
        (share_of_the_wall, "Not yet: a job that only waits was given the share 1.00: were both clocks"),
        (upside_down, "Not yet: a job that only waits was given the share "),
        (share_from_another_thread, "Not yet: a job that computes all the time was given the share 0.0"),
        (in_two_runs, "Not yet: the job was run 2 times: one run has to do"),
        (in_percent, "Not yet: a number from 0 to 1 was expected; got '"),
        (lambda job: -cpu_share(job), "Not yet: "),
        (half, "Not yet: a job "),
        (cpu_seconds, "Not yet: "),
    ],
)  # fmt: skip
def test_a_share_of_cpu_time(told, answer, words):
    assert told("02.share", answer).startswith(words)


# --- The right pool ----------------------------------------------------------------------------------


def in_turn(job, items, share, workers):
    return [job(item) for item in items]


def by_share(job, items, share, workers):
    kind = ProcessPoolExecutor if share > 0.5 else ThreadPoolExecutor
    with kind(workers) as pool:
        return list(pool.map(job, items))


def by_threads(job, items, share, workers):
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(job, items))


def by_processes(job, items, share, workers):
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(job, items))


def the_wrong_way_round(job, items, share, workers):
    return by_share(job, items, 1 - share, workers)


def by_three(job, items, share, workers):
    return by_share(job, items, share, 3)


def backwards(job, items, share, workers):
    return by_share(job, items[::-1], share, workers)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda job, items, share, workers: None, "Not attempted yet: nothing was returned."),
        (in_turn, "Not attempted yet: jobs that wait were run one after the other, by one thread."),
        (by_share, "Correct: threads for what waits, processes for what computes"),
        (by_threads, "Not yet: jobs that compute (a share of 0.97) ran in this process, where a GIL lets"),
        (by_processes, "Not yet: jobs that only wait (a share of 0.02) ran in other processes. Each of"),
        (the_wrong_way_round, "Not yet: jobs that only wait (a share of 0.02) ran in other processes."),
        (by_three, "Not yet: 8 workers were to be at work at once, and there were 3."),
        (backwards, "Not yet: what job returns for each item, in order, was expected; got [(529, "),
    ],
)  # fmt: skip
def test_the_right_pool(told, answer, words):
    assert told("02.pool", answer).startswith(words)


# --- A block of shared memory ------------------------------------------------------------------------


def leave_it(make, data, use):
    block = make(create=True, size=len(data))
    block.buf[: len(data)] = data
    return use(block.name)


def share(make, data, use):
    block = make(create=True, size=len(data))
    try:
        block.buf[: len(data)] = data
        return use(block.name)
    finally:
        block.close()
        block.unlink()


def clean_up_when_all_is_well(make, data, use):
    block = make(create=True, size=len(data))
    block.buf[: len(data)] = data
    value = use(block.name)
    block.close()
    block.unlink()
    return value


def only_close(make, data, use):
    block = make(create=True, size=len(data))
    try:
        block.buf[: len(data)] = data
        return use(block.name)
    finally:
        block.close()


def only_unlink(make, data, use):
    block = make(create=True, size=len(data))
    try:
        block.buf[: len(data)] = data
        return use(block.name)
    finally:
        block.unlink()


def hand_over_the_block(make, data, use):
    block = make(create=True, size=len(data))
    try:
        return use(block)
    finally:
        block.close()
        block.unlink()


def unlink_too_soon(make, data, use):
    block = make(create=True, size=len(data))
    block.buf[: len(data)] = data
    block.close()
    block.unlink()
    return use(block.name)


def copy_nothing(make, data, use):
    block = make(create=True, size=len(data))
    try:
        return use(block.name)
    finally:
        block.close()
        block.unlink()


def swallow(make, data, use):
    try:
        return share(make, data, use)
    except KeyError:
        return None


def return_nothing(make, data, use):
    share(make, data, use)


def in_a_with_block(make, data, use):
    with make(create=True, size=len(data)) as block:
        return use(block.name)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda make, data, use: None, "Not attempted yet: no block was made."),
        (leave_it, "Not attempted yet: the function has returned, and its block is still there"),
        (share, "Correct: the block was closed and unlinked"),
        (clean_up_when_all_is_well, "Not yet: the block was neither closed nor unlinked, when use raises"),
        (only_close, "Not yet: the block was not unlinked, so it is there until the computer is switched"),
        (only_unlink, "Not yet: the block was not closed, so this process still has it in its memory."),
        (hand_over_the_block, "Not yet: use was to be given the name of the block, block.name; it was"),
        (unlink_too_soon, "Not yet: use was given the name '"),
        (copy_nothing, "Not yet: in the block, use found b'"),
        (swallow, "Not yet: use raised a KeyError, and whoever called was not told: let the error pass."),
        (return_nothing, "Not yet: what use returns, 49, was to be returned; got None."),
        (in_a_with_block, "Not yet: it raises TypeError: "),
        (lambda make, data, use: share(SharedMemory, data, use), "Not yet: make has to make the block: "),
    ],
)  # fmt: skip
def test_a_block_of_shared_memory(told, answer, words):
    assert told("02.memory", answer).startswith(words)
    assert WatchedMemory.made == []
