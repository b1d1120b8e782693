"""Exercises: an answer is run, and looked at for what it does; there are hints for those who want one.

    check("01.lock", add_all)
    hint("01.lock")

A check looks at mechanisms: who ran, how many at once, what was called. It says that the answer is correct,
that it has not been attempted yet, or what is wrong and why. The exercises of each chapter are in a module of
their own, which adds them to ``EXERCISES`` when the first of them is asked for.
"""

import importlib
import inspect
import linecache
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from helpers.exercises.leftovers import Leftovers, one_line
from helpers.show import short

DEADLINE = 20.0  # seconds that an answer may take
CHAPTERS = ("01", "02", "03", "04", "05", "06", "07")


class NotYet(Exception):
    """An answer is not right; the message says what is wrong, and why that matters."""


class NotAttempted(Exception):
    """What was handed in is the starter; the message says where to begin."""


@dataclass(frozen=True)
class Exercise:
    """An exercise: a function that looks at an answer, a line of praise, and hints from vague to plain.

    The function raises ``NotYet`` or ``NotAttempted``, or returns.
    """

    look: Callable[..., object]
    praise: str
    hints: tuple[str, ...]


EXERCISES: dict[str, Exercise] = {}
"""By name, such as "01.lock"; those of a chapter are here when one of them has been asked for."""

_shown: dict[str, int] = {}  # by name: how many hints were asked for


def exercise(name: str, praise: str, *hints: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Make the function below it the check of an exercise."""

    def add(look: Callable[..., object]) -> Callable[..., object]:
        EXERCISES[name] = Exercise(look, praise, hints)
        return look

    return add


def check(name: str, *answer: Any) -> None:
    """Run an answer, which is one function, and print what is to be said of it.

    What it leaves behind is ended. Raises ValueError for an unknown exercise.
    """
    known = _known(name)
    if len(answer) != 1 or not callable(answer[0]):
        got = ", ".join(map(short, answer)) or "nothing"
        print(
            f'Not yet: hand in the function itself, without calling it: check("{name}", function). '
            f"What came is {got}."
        )
        return
    with Leftovers(answer[0]) as left:
        words = _verdict(known, answer[0], left)
    if words.startswith("Not yet: "):
        words = f'{words} hint("{name}") knows more.'
    print(f"{words}\n", end="")  # in one piece, whatever another thread prints meanwhile


def _verdict(known: Exercise, answer: Callable[..., Any], left: Leftovers) -> str:
    words = ""
    try:
        within(DEADLINE, known.look, answer)
    except NotAttempted as error:
        if not left.never_awaited:
            return f"Not attempted yet: {error}"
    except NotYet as error:
        words = str(error)
    except Exception as error:
        words = _raised(error, answer)
    else:
        return f"Correct: {known.praise}"
    if left.never_awaited:
        words = (
            f"{left.never_awaited}() was called and never awaited: the call of a coroutine function runs "
            "nothing, await does."
        )
    elif left.errors:
        words = f"{words} One of its threads raised {left.errors[0]}."
    return f"Not yet: {words}"


def hint(name: str) -> None:
    """Print the next hint for an exercise, the last of them again when there is no other."""
    hints = _known(name).hints
    number = min(_shown.get(name, 0), len(hints) - 1)
    _shown[name] = number + 1
    print(f"Hint {number + 1} of {len(hints)}: {hints[number]}")


def within(seconds: float, act: Callable[..., Any], *arguments: Any, threads: int = 1) -> Any:
    """Return what a function returns, which has so many seconds; with several threads, one of their values.

    Raises what it raises, and ``NotYet`` when it takes longer, has other parameters, or is no plain function.
    It goes on then, in threads that no exit waits for.
    """
    fits(act, arguments)
    came: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            came.append(act(*arguments))
        except BaseException as error:
            failed.append(error)

    crowd = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    end = time.monotonic() + seconds
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(max(0.0, end - time.monotonic()))
    if failed and isinstance(failed[0], Exception):
        raise failed[0]
    if failed:
        raise NotYet(f"it raises {one_line(failed[0])}, which ends more than the answer.")
    if any(thread.is_alive() for thread in crowd):
        raise NotYet(f"it has not ended within {seconds:g} s. Does something wait for what never comes?")
    if inspect.iscoroutine(came[0]):
        for coroutine in came:
            coroutine.close()
        raise NotYet(
            "its call returns a coroutine, which runs nothing until it is awaited: here a plain function is "
            "asked for, which begins with def."
        )
    return came[0]


def within_loop(seconds: float, act: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a coroutine function returns, run in an event loop of its own, in so many seconds.

    Raises what it raises, and ``NotYet`` when it takes longer, has other parameters, or is a plain function.
    """
    import asyncio  # only here, as it takes a while to import

    fits(act, arguments)

    async def run() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        coroutine = act(*arguments)
        if not inspect.isawaitable(coroutine):
            raise NotYet("it is a plain function: begin it with async def, so that it can await.")
        task = asyncio.ensure_future(coroutine)
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            task.cancel()
            raise NotYet(f"it has not ended within {seconds:g} s. Does something wait for what never comes?")
        if inspect.isawaitable(task.result()):
            raise NotYet("what it returns has to be awaited itself: return await ...")
        return task.result()

    return within(seconds + 2, lambda: asyncio.run(run()))


def as_list(found: object, what: str) -> list[Any]:
    """Return what can be looped over as a list; raise ``NotYet`` for anything else."""
    if isinstance(found, str | bytes | dict) or not isinstance(found, Iterable):
        raise NotYet(f"{what} was expected; got {short(found)}.")
    return list(found)


def fits(act: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    """Raise ``NotYet`` when a function cannot be called so, or does nothing when it is called."""
    if inspect.isgeneratorfunction(act) or inspect.isasyncgenfunction(act):
        raise NotYet("it has a yield in it, so a call runs none of it: return what was asked for instead.")
    try:
        signature = inspect.signature(act)
    except (TypeError, ValueError):  # a built-in function may have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        number = f"{len(arguments)} argument{'s' * (len(arguments) != 1)}"
        raise NotYet(
            f"it is called with {number}, and takes {signature}: keep the parameters of the starter."
        ) from None


def _raised(error: Exception, answer: Callable[..., Any]) -> str:
    """Return what an answer raised, and the line of it that did."""
    code = getattr(answer, "__code__", None)
    line, trace = "", error.__traceback__
    while code and trace:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
        trace = trace.tb_next
    words = one_line(error)
    if any(sign in words for sign in ("pickle", "local object", "Can't get attribute", "BrokenProcess")):
        words += (
            " (another process imports a function by its name, and cannot import a lambda, nor what stands "
            "within a function or in a cell)"
        )
    return f"it raises {words}{f', at the line: {line}' if line else '.'}"


def _known(name: str) -> Exercise:
    chapter = str(name)[:2]
    if chapter in CHAPTERS:
        importlib.import_module(f"helpers.exercises.of_{chapter}")
    if name not in EXERCISES:
        names = sorted(known for known in EXERCISES if known.startswith(chapter))
        expected = f"one of {', '.join(names)}" if names else f"one of chapters {', '.join(CHAPTERS)}"
        raise ValueError(f"name: expected {expected}, got {short(name)}")
    return EXERCISES[name]
