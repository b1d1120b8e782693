"""The exercises of chapter 03: starter, solution, and wrong answers with the very message that each gets."""

import asyncio
import queue as queues
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

# --- At most n at once, by threads -------------------------------------------------------------------


def one_by_one(fetch, urls, most):
    return [fetch(url) for url in urls]


def by_threads(fetch, urls, most):
    with ThreadPoolExecutor(most) as pool:
        return list(pool.map(fetch, urls))


def as_an_iterator(fetch, urls, most):
    with ThreadPoolExecutor(most) as pool:
        return pool.map(fetch, urls)


def in_groups(fetch, urls, most):
    pages = []
    for start in range(0, len(urls), most):
        with ThreadPoolExecutor() as pool:
            pages += pool.map(fetch, urls[start : start + most])
    return pages


def all_at_once(fetch, urls, most):
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(fetch, urls))


def three_at_once(fetch, urls, most):
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(fetch, urls))


def futures_themselves(fetch, urls, most):
    with ThreadPoolExecutor(most) as pool:
        return [pool.submit(fetch, url) for url in urls]


def by_processes(fetch, urls, most):
    with ProcessPoolExecutor(most) as pool:
        return list(pool.map(fetch, urls))


def pages_nowhere(fetch, urls, most):
    with ThreadPoolExecutor(most) as pool:
        for url in urls:
            pool.submit(fetch, url)


async def by_a_coroutine(fetch, urls, most):
    return [fetch(url) for url in urls]


def with_a_yield(fetch, urls, most):
    for url in urls:
        yield fetch(url)


def all_in_one_call(fetch, urls, most):
    with ThreadPoolExecutor(most) as pool:
        return pool.submit(fetch, urls).result()


def twice(fetch, urls, most):
    by_threads(fetch, urls, most)
    return by_threads(fetch, urls, most)


def wait_for_ever(fetch, urls, most):
    door = threading.Semaphore(most)
    with ThreadPoolExecutor(len(urls)) as pool:
        list(pool.map(lambda url: door.acquire(), urls))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda fetch, urls, most: None, "Not attempted yet: fetch was never called."),
        (one_by_one, "Not attempted yet: the pages were fetched one after another, so that all their"),
        (by_threads, "Correct: as many at once as were allowed, never more, and the pages in order."),
        (as_an_iterator, "Correct: "),
        (in_groups, "Correct: "),
        (all_at_once, "Not yet: "),
        (three_at_once, "Not yet: 5 fetches were allowed at once, and no more than 3 were under way."),
        (futures_themselves, "Not yet: it returns futures, the promises of pages: ask each for its"),
        (by_processes, "Not yet: fetch cannot be sent to other processes, and they are not needed"),
        (pages_nowhere, "Not yet: a list of pages was expected; got None."),
        (by_a_coroutine, "Not yet: its call returns a coroutine, which runs nothing until it is awaited"),
        (with_a_yield, "Not yet: it has a yield in it, so a call runs none of it"),
        (all_in_one_call, "Not yet: it raises TypeError: fetch takes one URL, and was given ['http"),
        (twice, "Not yet: for 12 URLs, fetch was called 24 times."),
        (wait_for_ever, "Not yet: it has not ended within 5 s. Does something wait for what never comes?"),
    ],
)  # fmt: skip
def test_at_most_n_at_once_by_threads(told, answer, words):
    assert told("03.threads", answer).startswith(words)


def test_too_many_at_once_and_another_order_are_told(told):
    def shuffled(fetch, urls, most):
        return by_threads(fetch, urls, most)[::-1]

    assert "fetches were under way at once; at most 3 were allowed." in told("03.threads", all_at_once)
    assert "all pages came, but not in the order of the URLs" in told("03.threads", shuffled)


# --- At most n at once, in a loop --------------------------------------------------------------------


async def in_turn(fetch, urls, most):
    return [await fetch(url) for url in urls]


async def by_a_semaphore(fetch, urls, most):
    door = asyncio.Semaphore(most)

    async def one(url):
        async with door:
            return await fetch(url)

    return await asyncio.gather(*[one(url) for url in urls])


async def without_a_door(fetch, urls, most):
    return await asyncio.gather(*[fetch(url) for url in urls])


async def a_door_for_each(fetch, urls, most):
    async def one(url):
        async with asyncio.Semaphore(most):
            return await fetch(url)

    return await asyncio.gather(*[one(url) for url in urls])


async def a_door_for_one(fetch, urls, most):
    door = asyncio.Semaphore(1)

    async def one(url):
        async with door:
            return await fetch(url)

    return await asyncio.gather(*[one(url) for url in urls])


async def never_awaited(fetch, urls, most):
    return [fetch(url) for url in urls]


async def called_and_dropped(fetch, urls, most):
    for url in urls:
        fetch(url)


async def tasks_themselves(fetch, urls, most):
    return [asyncio.create_task(fetch(url)) for url in urls]


async def a_group(fetch, urls, most):
    door, tasks = asyncio.Semaphore(most), []

    async def one(url):
        async with door:
            return await fetch(url)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(url)) for url in urls]
    return [task.result() for task in tasks]


async def a_run_in_a_run(fetch, urls, most):
    return asyncio.run(without_a_door(fetch, urls, most))


async def a_gather_that_nobody_awaits(fetch, urls, most):
    return asyncio.gather(*[fetch(url) for url in urls])


async def a_door_never_left(fetch, urls, most):
    door = asyncio.Semaphore(most)

    async def one(url):
        await door.acquire()
        return await fetch(url)

    return await asyncio.gather(*[one(url) for url in urls])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_turn, "Not attempted yet: the pages were fetched one after another, so that all their waiting"),
        (by_a_semaphore, "Correct: as many at once as were allowed, never more, in one thread."),
        (a_group, "Correct: "),
        (without_a_door, "Not yet: 12 fetches were under way at once; at most 3 were allowed."),
        (a_door_for_each, "Not yet: 12 fetches were under way at once; at most 3 were allowed."),
        (a_door_for_one, "Not attempted yet: the pages were fetched one after another"),
        (never_awaited, "Not yet: it returns coroutines or tasks, and not their pages: each has to be"),
        (called_and_dropped, "Not yet: fetch() was called and never awaited: the call of a coroutine"),
        (tasks_themselves, "Not yet: it returns coroutines or tasks, and not their pages: each has to be"),
        (a_run_in_a_run, "Not yet: "),
        (a_gather_that_nobody_awaits, "Not yet: what it returns has to be awaited itself: return await ..."),
        (by_threads, "Not yet: "),
        (a_door_never_left, "Not yet: it has not ended within 5 s."),
        (lambda fetch, urls: None, "Not yet: it is called with 3 arguments, and takes (fetch, urls): keep"),
        (lambda fetch, urls, most: None, "Not yet: it is a plain function: begin it with async def"),
    ],
)  # fmt: skip
def test_at_most_n_at_once_in_a_loop(told, answer, words):
    assert told("03.loop", answer).startswith(words)


# --- A loop that goes on -----------------------------------------------------------------------------


async def read_here(read, names):
    return [read(name) for name in names]


async def read_in_threads(read, names):
    return await asyncio.gather(*[asyncio.to_thread(read, name) for name in names])


async def read_in_turn(read, names):
    return [await asyncio.to_thread(read, name) for name in names]


async def read_in_an_executor(read, names):
    loop = asyncio.get_running_loop()
    return [await loop.run_in_executor(None, read, name) for name in names]


async def await_a_text(read, names):
    return [await read(name) for name in names]


async def read_in_a_coroutine(read, names):
    async def one(name):
        return read(name)

    return await asyncio.gather(*[one(name) for name in names])


async def hand_over_what_was_read(read, names):
    return [await asyncio.to_thread(read(name)) for name in names]


async def read_and_wait(read, names):
    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, names))


async def forget_await(read, names):
    return [asyncio.to_thread(read, name) for name in names]


async def yield_first(read, names):
    await asyncio.sleep(0)
    return [read(name) for name in names]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (read_here, "Not attempted yet: read() ran in the loop's own thread: meanwhile nothing else in it"),
        (read_in_threads, "Correct: the blocking calls waited in threads, and the loop went on meanwhile."),
        (read_in_turn, "Correct: "),
        (read_in_an_executor, "Correct: "),
        (await_a_text, "Not yet: read is a plain function, so there is nothing to await in what it"),
        (read_in_a_coroutine, "Not attempted yet: read() ran in the loop's own thread"),
        (yield_first, "Not attempted yet: read() ran in the loop's own thread"),
        (hand_over_what_was_read, "Not yet: to_thread takes the function and its argument apart:"),
        (read_and_wait, "Not yet: read() ran in another thread, but the loop stood still and waited for"),
        (forget_await, "Not yet: it returns coroutines or tasks, and not what was read: each has to be"),
        (lambda read, names: [read(name) for name in names], "Not yet: it is a plain function: begin it"),
    ],
)  # fmt: skip
def test_a_loop_that_goes_on(told, answer, words):
    assert told("03.blocked", answer).startswith(words)


# --- A queue between two threads ---------------------------------------------------------------------


def both(first, second):
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_one_thread(pages, work, queue):
    for page in pages:
        work(page)


def by_two_threads(pages, work, queue):
    def put():
        for page in pages:
            queue.put(page)
        queue.put(None)

    def take():
        for page in iter(queue.get, None):
            work(page)

    both(put, take)


def by_one_thread_beside_this(pages, work, queue):
    def take():
        while (page := queue.get()) is not None:
            work(page)
            queue.task_done()

    thread = threading.Thread(target=take)
    thread.start()
    for page in pages:
        queue.put(page)
    queue.put(None)
    thread.join()


def without_a_sentinel(pages, work, queue):
    def put():
        for page in pages:
            queue.put(page)

    def take():
        while True:
            work(queue.get())

    both(put, take)


def until_it_is_empty(pages, work, queue):
    def put():
        for page in pages:
            queue.put(page)

    def take():
        while not queue.empty():
            work(queue.get())

    both(put, take)


def work_on_the_sentinel(pages, work, queue):
    def put():
        for page in pages:
            queue.put(page)
        queue.put(None)

    def take():
        page = ""
        while page is not None:
            page = queue.get()
            work(page)

    both(put, take)


def one_after_the_other(pages, work, queue):
    for page in pages:
        queue.put(page)
    while not queue.empty():
        work(queue.get())


def a_queue_of_ones_own(pages, work, queue):
    by_two_threads(pages, work, queues.Queue())


def join_nobody(pages, work, queue):
    def put():
        for page in pages:
            queue.put(page)
        queue.put(None)

    threading.Thread(target=put).start()
    threading.Thread(target=lambda: [work(page) for page in iter(queue.get, None)]).start()


def work_where_it_is_made(pages, work, queue):
    for page in pages:
        queue.put(page)
        work(queue.get())


def die_at_work(pages, work, queue):
    def put():
        for page in pages:
            queue.put(page)
        queue.put(None)

    both(put, lambda: [work(page)["x"] for page in iter(queue.get, None)])


def join_the_queue_alone(pages, work, queue):
    def take():
        while True:
            work(queue.get())
            queue.task_done()

    threading.Thread(target=take, daemon=True).start()
    for page in pages:
        queue.put(page)
    queue.join()


def start_no_one_who_puts(pages, work, queue):
    both(list, lambda: [work(page) for page in iter(queue.get, None)])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda pages, work, queue: None, "Not attempted yet: no page was taken from pages."),
        (in_one_thread, "Not attempted yet: one thread did both, page after page."),
        (by_two_threads, "Correct: one thread put, one took, no more than two pages waited, and both have"),
        (by_one_thread_beside_this, "Correct: "),
        (without_a_sentinel, "Not yet: it hangs: 8 calls of work are done, and a thread still waits at"),
        (until_it_is_empty, "Not yet: it hangs: a thread waits at queue.put, as 2 pages are in the queue"),
        (one_after_the_other, "Not yet: it hangs: a thread waits at queue.put, as 2 pages are in the"),
        (work_on_the_sentinel, "Not yet: work was called with None: the sentinel ends the loop, it is no"),
        (a_queue_of_ones_own, "Not yet: nothing was put into the queue that was handed over"),
        (join_nobody, "Not yet: it returned when "),
        (work_where_it_is_made, "Not yet: the thread that takes pages also works on them: two threads"),
        (join_the_queue_alone, "Not yet: all pages are worked, and a thread still waits at queue.get, for"),
        (start_no_one_who_puts, "Not yet: it hangs: a thread waits at queue.get, and the one that puts"),
    ],
)  # fmt: skip
def test_a_queue_between_two_threads(told, answer, words):
    before = threading.active_count()
    assert told("03.queue", answer).startswith(words)
    assert threading.active_count() <= before


def test_an_error_in_a_thread_of_the_answer_is_told_and_not_printed(told):
    said = told("03.queue", die_at_work)
    assert said.startswith("Not yet: it hangs: a thread waits at queue.put")
    assert "One of its threads raised TypeError: 'NoneType' object is not subscriptable." in said
