"""Asyncio as an executor: an event loop in a thread of its own."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import Any

_START = 60  # seconds that the loop may need to start, on a very busy computer


class LoopExecutor(Executor):
    """A thread of its own with asyncio's event loop, in which so many jobs are under way at once.

    A thread of its own, as that of a notebook's kernel has a running loop already.
    """

    def __init__(self, at_once: int) -> None:
        """Start the thread and wait until its loop runs."""
        self._turns = asyncio.Semaphore(at_once)
        ready: Future[Any] = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(ready),), daemon=True)
        self._thread.start()
        self._loop, self._leave = ready.result(_START)

    async def _serve(self, ready: Future[Any]) -> None:
        leave = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), leave))
        await leave.wait()  # then asyncio.run cancels what is still under way, and waits until it has ended

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function, which may be a coroutine function, in the loop when it is its turn."""
        if self._loop.is_closed():
            raise RuntimeError("cannot schedule new futures after shutdown")
        job = self._in_turn(partial(function, *args, **kwargs))
        return asyncio.run_coroutine_threadsafe(job, self._loop)

    async def _in_turn(self, function: Callable[[], Any]) -> Any:
        async with self._turns:
            result = function()
            return await result if inspect.isawaitable(result) else result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what is under way and end the thread; a job that holds up the loop may go on for a while."""
        with suppress(RuntimeError):  # it is closed already
            self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(None if wait else 1)
