"""The exercises of chapter 07: a program on an engine, results as they come home, a task that fails."""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, Future, get_worker

from helpers.exercises.desk import NotAttempted, NotYet, as_list, exercise, within
from helpers.exercises.probes import Together
from helpers.show import short

_COUNT, _WORKERS = 8, 2


class _Notes:
    """What the tasks of a check have noted; their workers are threads of this program."""

    def __init__(self) -> None:
        self.inside = Together(_WORKERS)
        self.on_the_engine: list[bool] = []
        self.gate = threading.Event()
        self.gate.set()
        self.waited_in_vain = False


_notes = _Notes()


@contextmanager
def _engine() -> Iterator[Any]:
    """Start a scheduler and two workers as threads of this program, with no dashboard, and end them."""
    global _notes
    _notes = _Notes()
    quiet: dict[str, Any] = {"silence_logs": logging.CRITICAL, "dashboard_address": None}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        dask.config.set({"temporary-directory": folder}),
        Client(processes=False, n_workers=_WORKERS, threads_per_worker=1, **quiet) as client,
    ):
        yield client


def work(number: int) -> int:
    """Return a number's square; note where it was computed, and how many were at once."""
    if not isinstance(number, int):
        raise TypeError(f"work takes one number, and was given {short(number)}")
    notes = _notes
    with notes.inside:
        try:
            get_worker()
            notes.on_the_engine.append(True)
        except ValueError:
            notes.on_the_engine.append(False)
        notes.inside.wait()
    return number * number


def held(number: int) -> int:
    """Return a number's square; 0 is not ready before another result has been seen."""
    if number == 0 and not _notes.gate.wait(2):
        _notes.waited_in_vain = True
    return work(number)


def picky(number: int) -> int:
    """Return a number's square, but refuse 3."""
    if number == 3:
        raise ValueError("not this one")
    return work(number)


def _look_at_runs(expected: int) -> None:
    runs = _notes.on_the_engine
    if not runs:
        raise NotYet("the results are there, and work was never run.")
    if not any(runs):
        raise NotAttempted(f"all {len(runs)} ran in this program, and none on the engine.")
    if not all(runs):
        raise NotYet(f"{runs.count(False)} of {len(runs)} ran in this program, and not on the engine.")
    if len(runs) != expected:
        raise NotYet(f"work was to be run {expected} times, and was run {len(runs)} times.")


def _no_futures(found: list[Any]) -> None:
    if any(isinstance(one, Future) for one in found):
        raise NotYet(
            "it gives futures: their values are still in the workers. future.result() fetches one, "
            "client.gather(futures) all."
        )


@exercise(
    "07.map",
    "the same program, and the engine did the work, on both workers at once.",
    "client.map looks like the map of a pool, and is called alike. What does it return?",
    "client.map returns futures at once; client.gather(futures) waits and returns their values in order.",
    "return client.gather(client.map(work, numbers))",
)
def _map(squares: Callable[..., object]) -> None:
    numbers = list(range(_COUNT))
    with _engine() as client:
        found = within(10, squares, client, work, numbers)
        if found is None and not _notes.on_the_engine:
            raise NotAttempted("nothing was run.")
        found = as_list(found, "a list of squares")
        _no_futures(found)
    if found != [n * n for n in numbers]:
        raise NotYet(f"the squares of 0 to {_COUNT - 1} in their order were expected; got {short(found)}.")
    _look_at_runs(_COUNT)
    if _notes.inside.most == 1:
        raise NotYet(
            "the tasks ran one after another: whoever asks for a result before the next task is given has "
            "one worker idle."
        )


@exercise(
    "07.completed",
    "each result was seen when it was there, and nobody waited for the slowest.",
    "gather returns when all is there. Which function of distributed yields each future when it is done?",
    "from distributed import as_completed: for future in as_completed(futures), in the order of their ends.",
    "for future in as_completed(client.map(work, numbers)): seen(future.result())",
)
def _completed(watch: Callable[..., object]) -> None:
    numbers, handed = list(range(_COUNT)), []
    gathered = False

    def seen(result: object) -> None:
        handed.append(result)
        if len(handed) == 3:
            notes.gate.set()

    with _engine() as client:
        notes, gather = _notes, client.gather
        notes.gate.clear()

        def noted(*arguments: Any, **more: Any) -> Any:
            nonlocal gathered
            gathered = True
            return gather(*arguments, **more)

        client.gather = noted
        try:
            within(10, watch, client, held, numbers, seen)
        except (AttributeError, TypeError) as error:
            if "_condition" in str(error) or "_state" in str(error):
                raise NotYet(
                    "the as_completed of concurrent.futures does not know the engine's futures: take that of "
                    "distributed."
                ) from None
            raise
        finally:
            notes.gate.set()
    if not handed and not notes.on_the_engine:
        raise NotAttempted("nothing was run.")
    if not handed:
        raise NotYet("seen was never called.")
    _no_futures(handed)
    if notes.waited_in_vain and gathered:
        raise NotAttempted(
            "the first task took long. The other results were home long before, and seen was handed none of "
            "them until all were there."
        )
    if notes.waited_in_vain:
        raise NotYet(
            "the first task took long, and the results of the others had to wait for it: ask for them in the "
            "order in which they are done."
        )
    expected = {n * n for n in numbers}
    if any(isinstance(one, tuple) for one in handed):
        raise NotYet(f"seen was to be handed results, and was handed {short(handed[0])}.")
    if len(handed) != _COUNT or set(handed) != expected:
        raise NotYet(f"each of the {_COUNT} results was to be seen once; seen were {short(handed)}.")
    _look_at_runs(_COUNT)


@exercise(
    "07.errors",
    "seven results and the name of one error, each in its place.",
    "gather raises the first error that it meets, and all other values are lost to you. Ask each future.",
    "future.exception() waits, and returns the task's error, or None when there was none.",
    "[type(future.exception()).__name__ if future.exception() else future.result() for future in "
    "client.map(work, numbers)]",
)
def _errors(outcomes: Callable[..., object]) -> None:
    numbers = list(range(_COUNT))
    with _engine() as client:
        try:
            found = within(10, outcomes, client, picky, numbers)
        except ValueError as error:
            if "not this one" not in str(error):
                raise
            raise NotAttempted(
                "one task of eight raised ValueError, so the answer did as well, and seven results are lost."
            ) from None
        if found is None and not _notes.on_the_engine:
            raise NotAttempted("nothing was run.")
        found = as_list(found, "a list of values and names of errors")
        _no_futures(found)
    if len(found) != _COUNT:
        raise NotYet(
            f"for {_COUNT} numbers, {len(found)} outcomes came: nobody can tell which one is missing."
        )
    if found[3] == "ValueError" and found != [n * n if n != 3 else "ValueError" for n in numbers]:
        raise NotYet(f"each outcome in its number's place was expected; got {short(found)}.")
    if isinstance(found[3], Exception):
        raise NotYet("where a task failed, the error itself came: the name of its type was asked for.")
    if found[3] != "ValueError":
        raise NotYet(f'the task of 3 raises ValueError, so "ValueError" was expected; got {short(found[3])}.')
    _look_at_runs(_COUNT - 1)
