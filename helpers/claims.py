"""A sentence, its evidence, its verdict; and the register of the statements that the series examines.

A printed verdict has no measured number, so it is the same on every run that confirms it, and CI compares it
with the stored one. The figures behind it stand in pictures, and in the line of a claim that failed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

STATEMENTS = {
    "F1": "a master process hands out the work, and worker processes do it",
    "F2": "with threads, the main thread is the master",
    "F3": "processes are robust: a dead worker harms nobody else, a dead master ends all",
    "F4": "web servers began with a pool of processes",
    "F5": "processes are expensive to start, above all on Windows",
    "F6": "a system can run only so many processes or threads",
    "F7": "threads are usually a little faster than processes",
    "F8": "threads share memory, so one that crashes can take all with it",
    "F9": "where threads are the efficient choice servers use them, and hybrids came after",
    "F10": "CPU-bound work wants as many tasks at once as there are cores",
    "F11": "for CPU-bound work the speed of the language decides",
    "F12": "IO-bound work gains from more tasks at once, up to a limit",
    "F13": "IO-bound work waits nearly all the time, so a faster language gains nothing",
    "F14": "a manager spreads work over machines and hides the network",
    "F15": "a master serves a task queue and a result queue on a port, with a key",
    "F16": "tasks go in through the queue that the manager hands out",
    "F17": "a worker takes a task, works, puts the result back, and stops when there are no more",
    "F18": "the worker prints each task, the master each result",
    "F19": "more workers spread the load",
    "F20": "with another function it is an asynchronous mail queue",
    "F21": "the queues live in the master's process",
    "F22": "a queue is known on the network by its registered name",
    "F23": "the key keeps strangers out",
    "F24": "a worker must be given the master's address",
    "F25": "a task should be small: send a path, not the file",
}
"""The statements of the tutorial, F1 to F25, in our words."""


@dataclass(frozen=True)
class Verdict:
    """What became of one claim. ``lacks`` names what the computer lacks to show it, "" for nothing."""

    statement: str
    sentence: str
    holds: bool
    but: bool = False
    lacks: str = ""

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Return the verdict that ``check`` or ``summary`` printed as this line; None for any other line."""
        if not (found := _LINE.fullmatch(line)):
            return None
        statement, outcome, lacks, but, sentence = found.groups()
        return cls(statement, sentence, outcome == "holds", bool(but), lacks or "")

    @property
    def outcome(self) -> str:
        """The verdict's words, such as "holds, but"."""
        if not (self.holds or self.lacks):
            return "does not hold here"
        shown = f"cannot be shown here ({self.lacks})" if self.lacks else "holds"
        return f"{shown}, but" if self.but else shown


_LINE = re.compile(
    r"(F\d+) (holds|cannot be shown here \((.*?)\)(?=: |, but )|does not hold here)(, but)?:? (.*)"
)
_given: dict[tuple[str, str], Verdict] = {}  # by statement and sentence, since this Python started


def check(
    statement: str, sentence: str, holds: bool, *, but: bool = False, needs: str = "", measured: object = None
) -> None:
    """Print the verdict on one sentence, and remember it for ``summary``.

    ``statement`` is the number, F1 to F25, of the statement that the sentence belongs to, and ``holds`` the
    evidence. ``but`` says that the sentence limits the statement. ``needs`` names what this computer lacks
    to show it (empty: nothing), and then the evidence is not looked at. ``measured`` is shown only when the
    claim fails. Raises ValueError or TypeError for arguments that make no sense.
    """
    if statement not in STATEMENTS:
        raise ValueError(f"statement: expected one of F1 to F25, got {statement!r}")
    if not sentence or any(character.isdigit() for character in sentence):
        raise ValueError(f"sentence: expected words without digits, which a run may change; got {sentence!r}")
    if holds not in (True, False):
        raise TypeError(f"holds: expected True or False, a comparison's result, got {holds!r}")
    verdict = Verdict(statement, sentence, holds, but, needs)
    _given[statement, sentence] = verdict
    figures = "" if verdict.holds or needs or measured is None else f" (measured {measured})"
    joint = " " if verdict.outcome.endswith("but") else ": "
    print(f"{statement} {verdict.outcome}{joint}{sentence}{figures}")


def summary() -> None:
    """Print a line for each statement examined since this Python started: its verdict in all."""
    for number, words in STATEMENTS.items():
        given = [verdict for verdict in _given.values() if verdict.statement == number]
        if given:
            print(f"{number} {in_all(given).outcome}: {words}")


def in_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one verdict on a statement that follows from several: of those that could be shown here,
    if any could. Raises ValueError for none, or for those on several statements."""
    given = list(verdicts)
    if len({verdict.statement for verdict in given}) != 1:
        raise ValueError(f"verdicts: expected some on one statement, got {given!r}")
    shown = [verdict for verdict in given if not verdict.lacks] or given
    but = any(verdict.but for verdict in given)
    words = STATEMENTS[given[0].statement]
    return Verdict(given[0].statement, words, all(v.holds for v in shown), but, shown[0].lacks)
