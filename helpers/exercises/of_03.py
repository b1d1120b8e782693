"""The exercises of chapter 03: at most n at once, by threads and in a loop; a queue between two threads."""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from helpers.exercises.desk import NotAttempted, NotYet, as_list, exercise, within, within_loop
from helpers.exercises.probes import Inside, Together, WatchedQueue
from helpers.show import short

_URLS = [f"http://127.0.0.1/{number}" for number in range(12)]
_LONGER = 0.05  # seconds that a fetch goes on when enough are under way: one too many would show


# --- At most n at once -------------------------------------------------------------------------------


def _page(url: str) -> str:
    if not isinstance(url, str):
        raise TypeError(f"fetch takes one URL, and was given {short(url)}")
    return f"the page of {url}"


def _look_at_pages(found: object, inside: Inside, most: int) -> None:
    """Raise what is to be said of the pages that came, and of how many were fetched at once."""
    if found is None and not inside.times:
        raise NotAttempted("fetch was never called.")
    found = as_list(found, "a list of pages")
    if any(isinstance(one, Future) for one in found):
        raise NotYet("it returns futures, the promises of pages: ask each for its result().")
    if any(inspect.isawaitable(one) for one in found):
        for one in found:
            getattr(one, "close", bool)()
        raise NotYet("it returns coroutines or tasks, and not their pages: each has to be awaited.")
    expected = [_page(url) for url in _URLS]
    if found != expected and sorted(map(str, found)) == sorted(expected):
        raise NotYet("all pages came, but not in the order of the URLs: nobody can tell which is which.")
    if found != expected:
        raise NotYet(f"a page for each of {len(_URLS)} URLs, in order, was expected; got {short(found)}.")
    if inside.times != len(_URLS):
        raise NotYet(f"for {len(_URLS)} URLs, fetch was called {inside.times} times.")
    if inside.most == 1:
        raise NotAttempted("the pages were fetched one after another, so that all their waiting adds up.")
    if inside.most > most:
        raise NotYet(f"{inside.most} fetches were under way at once; at most {most} were allowed.")
    if inside.most < most:
        raise NotYet(f"{most} fetches were allowed at once, and no more than {inside.most} were under way.")


@exercise(
    "03.threads",
    "as many at once as were allowed, never more, and the pages in order.",
    "Each fetch waits, so it may wait in a thread of its own. Who limits how many threads there are?",
    "A ThreadPoolExecutor has as many threads as you say, and its map returns results in order.",
    "with ThreadPoolExecutor(most) as pool: return list(pool.map(fetch, urls))",
)
def _threads(fetch_all: Callable[..., object]) -> None:
    for most in (3, 5):
        inside = Together(most)

        def fetch(url: str, inside: Together = inside) -> str:
            with inside:
                page = _page(url)
                inside.wait()
                time.sleep(_LONGER)
                return page

        try:
            found = within(5, fetch_all, fetch, _URLS, most)
        except Exception as error:
            if "pickle" in str(error) or "local object" in str(error):
                raise NotYet(
                    "fetch cannot be sent to other processes, and they are not needed: threads can wait."
                ) from None
            raise
        _look_at_pages(found, inside, most)


@exercise(
    "03.loop",
    "as many at once as were allowed, never more, in one thread.",
    "gather starts all at once. Each of them has to pass a door that lets a few in.",
    "asyncio.Semaphore(most) is this door: one for all, and async with door: round each fetch.",
    "door = asyncio.Semaphore(most); async def one(url): async with door: return await fetch(url); "
    "return await asyncio.gather(*[one(url) for url in urls])",
)
def _loop(fetch_all: Callable[..., object]) -> None:
    for most in (3, 5):
        inside = Together(most)

        async def fetch(url: str, inside: Together = inside) -> str:
            import asyncio

            with inside:
                await inside.wait_in_loop()
                await asyncio.sleep(_LONGER)
                return _page(url)

        _look_at_pages(within_loop(5, fetch_all, fetch, _URLS, most), inside, most)


# --- A loop that goes on -----------------------------------------------------------------------------


class _Read:
    """A blocking function; it waits until the loop has gone on meanwhile, or for a second."""

    def __init__(self) -> None:
        self.times, self.turns = 0, 0
        self.loops_thread, self.in_loop, self.stood_still = 0, False, False

    def __call__(self, name: str) -> str:
        self.times += 1
        self.in_loop |= threading.get_ident() == self.loops_thread
        began, end = self.turns, time.monotonic() + 1
        while self.turns < began + 3 and not self.in_loop and not self.stood_still:
            time.sleep(0.001)
            self.stood_still |= time.monotonic() > end
        return f"what is in {name}"


@exercise(
    "03.blocked",
    "the blocking calls waited in threads, and the loop went on meanwhile.",
    "A coroutine leaves the loop to others only where it awaits. read() does not, for as long as it takes.",
    "await asyncio.to_thread(function, argument) runs a blocking function in another thread.",
    "return [await asyncio.to_thread(read, name) for name in names], or gather them",
)
def _blocked(read_all: Callable[..., object]) -> None:
    read, names = _Read(), ["first", "second", "third"]

    async def beside(read: _Read, names: list[str]) -> Any:
        import asyncio

        async def turn() -> None:
            while True:
                read.turns += 1
                await asyncio.sleep(0.001)

        read.loops_thread = threading.get_ident()
        turning = asyncio.ensure_future(turn())
        value = read_all(read, names)
        if not inspect.isawaitable(value):
            raise NotYet("it is a plain function: begin it with async def, so that it can await.")
        try:
            return await value
        except TypeError as error:
            if "await" in str(error) and read.in_loop:
                raise NotYet(
                    "read is a plain function, so there is nothing to await in what it returns: the call "
                    "itself takes the time, and has to go to a thread."
                ) from None
            if "not callable" in str(error):
                raise NotYet(
                    "to_thread takes the function and its argument apart: read(name) is called at once, here."
                ) from None
            raise
        finally:
            turning.cancel()

    found = within_loop(5, beside, read, names)
    if found is None and not read.times:
        raise NotAttempted("nothing was read.")
    found = as_list(found, "a list of what read returns")
    if any(inspect.isawaitable(one) for one in found):
        raise NotYet("it returns coroutines or tasks, and not what was read: each has to be awaited.")
    if found != [f"what is in {name}" for name in names]:
        raise NotYet(f"what read returns for each name, in order, was expected; got {short(found)}.")
    if read.in_loop and read.times == len(names):
        raise NotAttempted("read() ran in the loop's own thread: meanwhile nothing else in it could go on.")
    if read.in_loop:
        raise NotYet(f"read() ran in the loop's own thread, and {read.times} times for {len(names)} names.")
    if read.stood_still:
        raise NotYet(
            "read() ran in another thread, but the loop stood still and waited for it: wait by await, not "
            "by join() or result()."
        )


# --- A queue between two threads ---------------------------------------------------------------------

_ROOM, _PAGES = 2, 8


@exercise(
    "03.queue",
    "one thread put, one took, no more than two pages waited, and both have ended.",
    "One thread calls queue.put(page) for each page, another calls work(queue.get()). How does the second "
    "know that there is no other page? That the queue is empty does not say so.",
    "Put something after the last page that is no page, a sentinel such as None, and stop when it comes.",
    "The second: for page in iter(queue.get, None): work(page). The first: all pages, then queue.put(None). "
    "Start both, join both.",
)
def _queue(pipeline: Callable[..., object]) -> None:
    queue = WatchedQueue(_ROOM)
    worked: list[object] = []
    made_by, worked_by = set(), set()
    all_there = threading.Event()

    def pages() -> Iterator[str]:
        for number in range(_PAGES):
            made_by.add(threading.get_ident())
            if number < 3:
                time.sleep(0.03)  # so that the queue is empty for a while, and is not at its end
            yield f"page {number}"
        all_there.set()

    def work(page: object) -> None:
        worked_by.add(threading.get_ident())
        worked.append(page)
        if len(worked) == 4:
            time.sleep(0.1)  # so that pages wait

    try:
        within(3, pipeline, pages(), work, queue)
    except NotYet as late:
        if "has not ended" in str(late):
            raise NotYet(_why_it_hangs(queue, worked, all_there.is_set())) from None
        raise
    finally:
        there = len(worked)
        time.sleep(0.3)  # a thread that was not waited for goes on, and is seen
        waits = queue.waiting
        queue.end()
    expected = [f"page {number}" for number in range(_PAGES)]
    if not worked and not made_by:
        raise NotAttempted("no page was taken from pages.")
    if not queue.puts and worked == expected and made_by == worked_by:
        raise NotAttempted("one thread did both, page after page. Let a second one work, behind the queue.")
    if not queue.puts:
        raise NotYet(f"nothing was put into the queue that was handed over, which has room for {_ROOM}.")
    if extra := [one for one in worked if one not in expected]:
        raise NotYet(f"work was called with {short(extra[0])}: the sentinel ends the loop, it is no page.")
    if there < _PAGES:
        raise NotYet(
            f"it returned when {there} of {_PAGES} pages had been worked. An empty queue is not the end, as "
            "the next page may be on its way; and both threads have to be joined."
        )
    if worked != expected:
        raise NotYet(f"each page once, in order, was to be worked; got {short(worked)}.")
    if waits:
        raise NotYet(
            "all pages are worked, and a thread still waits at queue.get, for ever. Tell it the end by a "
            "sentinel, and join it."
        )
    if made_by & worked_by:
        raise NotYet("the thread that takes pages also works on them: two threads were asked for.")


def _why_it_hangs(queue: WatchedQueue, worked: list[object], all_made: bool) -> str:
    if not queue.puts and not queue.waits:
        return "it has not ended within 3 s, and nothing was put into the queue that was handed over."
    if queue.waits == "put":
        return (
            f"it hangs: a thread waits at queue.put, as {_ROOM} pages are in the queue and nobody takes "
            "them. The thread that takes was not started yet, or has left too soon."
        )
    if all_made:
        return (
            f"it hangs: {len(worked)} calls of work are done, and a thread still waits at queue.get for what "
            "never comes. Tell it the end by a sentinel, put after the last page."
        )
    return "it hangs: a thread waits at queue.get, and the one that puts has stopped or was never started."
