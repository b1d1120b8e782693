"""A sentence, its evidence, its verdict; and the register of what the tutorial says, in parts.

A statement often says several things; each is a part with evidence and a verdict of its own. A verdict is a
finding, and "does not hold" is one like any other. A run that contradicts a finding makes no other of it: it
is not confirmed, and that is a failure.

A printed verdict has no measured number, so it is the same on every run that confirms it, and CI compares it
with the stored one. The figures behind it stand in pictures, and in the line of a verdict not confirmed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from helpers.show import short

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


class Part(NamedTuple):
    """One thing that a statement says, and its kind: an experiment, history, or an opinion.

    History has a source, and an opinion something that speaks for it and against; neither gets a verdict.
    """

    words: str
    kind: str = "experiment"


_LETTERED = {
    "F3a": Part("a worker process that crashes harms neither the master nor its siblings"),
    "F3b": Part("when the master dies, all its workers die"),
    "F3c": Part("the master only hands out work, so it rarely dies", "opinion"),
    "F4": Part("a pool of processes, with which web servers began, survives a crash in one of them"),
    "F5a": Part("where processes can be forked, starting one is acceptable"),
    "F5b": Part("on Windows, starting one is very dear"),
    "F6a": Part("memory, cores and the system's limits bound the number of workers"),
    "F6b": Part("with thousands at once, even scheduling suffers"),
    "F7a": Part("threads are a little faster than processes"),
    "F7b": Part("but not by much"),
    "F8a": Part("threads share memory, so a crash in one ends all"),
    "F8b": Part("a fault in one thread has the system end the whole process"),
    "F9a": Part("on Windows, threads are the efficient choice"),
    "F9b": Part("so a server of threads is less stable than one of processes"),
    "F9c": Part("a hybrid of both complicates everything", "opinion"),
    "F10a": Part("CPU-bound work spends CPU time"),
    "F10b": Part("more tasks than cores only add switching"),
    "F10c": Part("the best number of tasks is the number of cores"),
    "F11a": Part("for CPU-bound work the speed of the language decides"),
    "F11b": Part("Python is slow, and C is best"),
    "F12a": Part("IO-bound work mostly waits"),
    "F12b": Part("more tasks at once make it faster"),
    "F12c": Part("but only up to a limit"),
    "F12d": Part("most work, such as web applications, is of this kind"),
    "F13a": Part("nearly all of its time is waiting"),
    "F13b": Part("so C gains nothing"),
    "F13c": Part("so the language that is quickest to write wins", "opinion"),
    "F21a": Part("a worker makes no queue"),
    "F21b": Part("the queues live in the master's process"),
}  # fmt: skip
PARTS: dict[str, Part] = {}
"""What the statements say, F1 to F25, by number and letter; a statement that says one thing has no letter."""

for _number, _words in STATEMENTS.items():
    _parts = {name: part for name, part in _LETTERED.items() if name.rstrip("abcd") == _number}
    PARTS |= _parts or {_number: Part(_words)}


def statement(part: str) -> str:
    """Return the number of the statement that a part belongs to, such as "F3" of "F3b"."""
    return part.rstrip("abcd")


FINDINGS = ("holds", "holds, but", "does not hold")
"""What an experiment can find of a part."""

_OUTCOMES: dict[str, tuple[str, bool | None]] = {  # as they are printed: the finding, and if it was confirmed
    "holds": ("holds", True),
    "does not hold": ("does not hold", True),
    "cannot be shown here": ("holds", True),
    "cannot be refuted here": ("does not hold", True),
    "is not decided on this computer now": ("holds", None),
    "is not refuted on this computer now": ("does not hold", None),
    "is not confirmed by this run": ("holds", False),
}
_LINE = re.compile(rf"(F\d+[a-d]?) ({'|'.join(_OUTCOMES)})(?: \((.*?)\)(?=:|, but))?(, but:?|:) (.*)")


@dataclass(frozen=True)
class Verdict:
    """What came of one claim: its part, its sentence, and one of ``FINDINGS``.

    ``lacks`` names what the computer lacks to show it, "" for nothing. ``confirmed`` is False in a run whose
    evidence was against the finding, and None in one that could not decide.
    """

    part: str
    sentence: str
    finding: str = "holds"
    lacks: str = ""
    confirmed: bool | None = True

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Return the verdict that ``check`` or ``summary`` printed as this line; None for any other line.

        The line of one that was not confirmed does not tell what the finding was.
        """
        if not (found := _LINE.fullmatch(line)):
            return None
        part, outcome, lacks, joint, sentence = found.groups()
        finding, confirmed = _OUTCOMES[outcome]
        return cls(part, sentence, f"{finding}, but" if "but" in joint else finding, lacks or "", confirmed)

    @property
    def outcome(self) -> str:
        """The verdict's words, such as "holds, but"."""
        if self.confirmed is False:
            return "is not confirmed by this run"
        finding, comma, but = self.finding.partition(",")
        shown = "shown" if finding == "holds" else "refuted"
        if self.lacks:
            finding = f"cannot be {shown} here ({self.lacks})"
        elif self.confirmed is None:
            finding = f"is not {'decided' if finding == 'holds' else shown} on this computer now"
        return finding + comma + but

    @property
    def line(self) -> str:
        """The line that says it, which ``read`` reads again."""
        return f"{self.part} {self.outcome}{' ' if self.outcome.endswith('but') else ': '}{self.sentence}"


_given: dict[tuple[str, str], Verdict] = {}  # by part and sentence, since this Python started


def check(
    part: str,
    sentence: str,
    evidence: bool | None,
    *,
    but: bool = False,
    refutes: bool = False,
    needs: str = "",
    measured: object = None,
) -> None:
    """Print the verdict on one sentence, and remember it for ``summary``.

    ``part`` is one of ``PARTS``, such as F3b, and ``evidence`` says whether the sentence is true in this run;
    None is for what the run could not decide. ``but`` says that the sentence limits the part, and
    ``refutes`` that it refutes it. ``needs`` names what this computer lacks to show it (empty: nothing), and
    then the evidence is not looked at. ``measured`` is shown only when the run does not confirm the sentence.
    Raises ValueError or TypeError for arguments that make no sense.
    """
    if part not in PARTS:
        known = ", ".join(name for name in PARTS if statement(name) == statement(str(part))) or "F1 to F25"
        raise ValueError(f"part: expected one of {known}, got {short(part)}")
    if PARTS[part].kind != "experiment":
        raise ValueError(f"part: {part} is {PARTS[part].kind}, which has no verdict: say so in the text")
    if not sentence or any(character.isdigit() for character in sentence):
        raise ValueError(
            f"sentence: expected words, without digits that a run may change; got {short(sentence)}"
        )
    if evidence is not None and evidence not in (True, False):
        raise TypeError(f"evidence: expected True, False, or None for undecided, got {short(evidence)}")
    if but and refutes:
        raise ValueError("but, refutes: expected one of them at most")
    finding = "does not hold" if refutes else "holds, but" if but else "holds"
    verdict = Verdict(part, sentence, finding, needs, True if needs else evidence)
    _given[part, sentence] = verdict
    if verdict.confirmed is False and measured is not None:
        verdict = replace(verdict, sentence=f"measured {measured}; {sentence}")
    print(verdict.line)


def summary() -> None:
    """Print a line for each part examined since this Python started: its verdict in all."""
    for name, part in PARTS.items():
        if given := [verdict for verdict in _given.values() if verdict.part == name]:
            print(f"{name} {in_all(given).outcome}: {part.words}")


def in_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one verdict on a part, or on a statement of several parts, that follows from several.

    What could not be shown or decided does not count, unless there is nothing else. A part that one sentence
    refutes does not hold; of a statement, all parts have to be refuted, and one of them is a "but". Raises
    ValueError for none, or for those on several statements.
    """
    given = list(verdicts)
    numbers = {statement(verdict.part) for verdict in given}
    if len(numbers) != 1:
        raise ValueError(f"verdicts: expected some on one statement, got {short(given)}")
    parts = {verdict.part for verdict in given}
    if len(parts) > 1:
        given = [in_all(verdict for verdict in given if verdict.part == part) for part in sorted(parts)]
    shown = [verdict for verdict in given if verdict.confirmed is not None and not verdict.lacks] or given
    findings = {verdict.finding for verdict in shown}
    is_refuted = "does not hold" in findings and (len(parts) == 1 or len(findings) == 1)
    finding = "does not hold" if is_refuted else "holds" if findings == {"holds"} else "holds, but"
    name = parts.pop() if len(parts) == 1 else numbers.pop()
    words = PARTS[name].words if name in PARTS else STATEMENTS[name]
    confirmed = min((verdict.confirmed for verdict in shown), key=[False, None, True].index)
    return Verdict(name, words, finding, shown[0].lacks, confirmed)
