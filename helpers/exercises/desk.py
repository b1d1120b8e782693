"""Exercises: an answer is run, and looked at for what it does; there are hints for those who want one.

    check("01.lock", add_all)
    hint("01.lock")

A check looks at mechanisms: who ran, how many at once, what was called. It says that the answer is correct,
that it has not been attempted yet, or what is wrong and why. The exercises of each chapter are in a module of
their own, which adds them to ``EXERCISES``.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.clocked import text_of
from helpers.show import short

DEADLINE = 20.0  # seconds that an answer may take


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
"""By name, such as "01.lock"."""

_shown: dict[str, int] = {}  # by name: how many hints were asked for


def exercise(name: str, praise: str, *hints: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Make the function below it the check of an exercise."""

    def add(look: Callable[..., object]) -> Callable[..., object]:
        EXERCISES[name] = Exercise(look, praise, hints)
        return look

    return add


def check(name: str, *answer: Any) -> None:
    """Run an answer and print what is to be said of it. Raises ValueError for an unknown exercise."""
    known = _known(name)
    try:
        within(DEADLINE, known.look, *answer)
    except NotAttempted as error:
        print(f"Not attempted yet: {error}")
    except NotYet as error:
        print(f'Not yet: {error} hint("{name}") knows more.')
    except Exception as error:
        print(f'Not yet: it raises {text_of(error)}. hint("{name}") knows more.')
    else:
        print(f"Correct: {known.praise}")


def hint(name: str) -> None:
    """Print the next hint for an exercise, the last of them again when there is no other."""
    hints = _known(name).hints
    number = min(_shown.get(name, 0), len(hints) - 1)
    _shown[name] = number + 1
    print(f"Hint {number + 1} of {len(hints)}: {hints[number]}")


def within(seconds: float, act: Callable[..., Any], *arguments: Any, threads: int = 1) -> Any:
    """Return what a function returns, which has so many seconds; with several threads, one of their values.

    Raises what it raises, and ``NotYet`` when it takes longer. It goes on then, in threads that no exit waits
    for.
    """
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
    if failed:
        raise failed[0]
    if any(thread.is_alive() for thread in crowd):
        raise NotYet(f"it has not ended within {seconds:g} s. Does something wait for what never comes?")
    return came[0]


def _known(name: str) -> Exercise:
    if name not in EXERCISES:
        raise ValueError(f"name: expected one of {', '.join(sorted(EXERCISES))}, got {short(name)}")
    return EXERCISES[name]
