"""All verdicts of the series, and where each was given: read from the outputs that the chapters store.

    found = verdicts.collect("notebooks")
    verdicts.table(found)

A chapter stores what its last run printed. The tests run every chapter and compare, so what is stored is what
a run gives. Whoever runs a chapter and saves it finds the verdicts of that run here.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from IPython.display import Markdown, display

from helpers.claims import FINDINGS, PARTS, STATEMENTS, Verdict, in_all, statement


@dataclass(frozen=True)
class Found:
    """A verdict, the file name of the chapter that gave it, and which of its headings it stands under."""

    verdict: Verdict
    chapter: str
    section: int
    heading: str

    @property
    def number(self) -> str:
        """The chapter's number, such as "01", or "01b" for its second part."""
        return self.chapter.partition("_")[0]

    @property
    def place(self) -> str:
        """Where the experiment is, as a link leads there."""
        return f"{self.chapter}#{self.heading.replace(' ', '-')}"

    @property
    def short_link(self) -> str:
        """A link in Markdown that reads "01.3"; the heading is shown when the mouse is over it."""
        title = self.heading.replace('"', "'")
        return f'[{self.number}.{self.section}]({self.place} "{title}")'

    @property
    def link(self) -> str:
        """A link in Markdown that reads as chapter and heading."""
        return f"[{self.number} {self.heading}]({self.place})"


def collect(folder: str | PathLike[str] = ".") -> list[Found]:
    """Return the verdicts that the notebooks in ``folder`` store, in the order in which they were given.

    The verdicts in all, with which a chapter closes, are not among them. Raises FileNotFoundError when there
    is no notebook.
    """
    paths = sorted(Path(folder).glob("*.ipynb"))
    if not paths:
        raise FileNotFoundError(f"folder: expected one that holds notebooks, got {str(folder)!r}")
    return [found for path in paths for found in _read(path)]


def in_parts(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Return the verdicts by part, F1 to F25; those without any have an empty list."""
    parts: dict[str, list[Found]] = {name: [] for name in PARTS}
    for one in found:
        parts[one.verdict.part].append(one)
    return parts


def outcomes(found: Iterable[Found]) -> dict[str, tuple[str, int]]:
    """Return for each part its verdict in all, such as "holds, but", and of how many claims it is made.

    What could not be shown on this computer alone is "cannot be shown here"; without a claim it is "open", or
    an "opinion".
    """
    return {name: (_outcome(part, PARTS[name].kind), len(part)) for name, part in in_parts(found).items()}


def in_words(outcomes: Mapping[str, tuple[str, int]]) -> str:
    """Return in a sentence how many parts hold, how many with a "but", and how many do not."""
    counts = Counter(outcome for outcome, _ in outcomes.values())
    whole, limited, refuted = (counts[finding] for finding in FINDINGS)
    return f"{whole} parts hold, {limited} with a but, and {refuted} {'does' if refuted == 1 else 'do'} not"


def table(found: Iterable[Found]) -> None:
    """Show each statement and each of its parts: the verdict, and links to its experiments.

    A statement's verdict is what those of its parts add up to. An opinion is called that, and has none.
    """
    by_part = in_parts(found)
    rows = []
    for number, words in STATEMENTS.items():
        parts = {name: part for name, part in by_part.items() if statement(name) == number}
        if len(parts) > 1:
            whole = _outcome([one for part in parts.values() for one in part])
            rows.append(f"| **{number}** | **{words}** | **{whole}** | |")
        for name, part in parts.items():
            outcome = _outcome(part, PARTS[name].kind)
            rows.append(f"| {name} | {PARTS[name].words} | {outcome} | {_links(part)} |")
    _show(["| part | the tutorial says | verdict | experiments |", "|---|---|---|---|", *rows])


def limits(found: Iterable[Found]) -> None:
    """Show every sentence that limits what the tutorial says, or refutes it."""
    joints = {"holds, but": "holds, but", "does not hold": "does not hold:"}
    rows = [
        f"| **{one.verdict.part}** | {joints[one.verdict.finding]} {one.verdict.sentence} | {one.link} |"
        for part in in_parts(found).values()
        for one in part
        if one.verdict.finding in joints
    ]
    _show(["| part | sentence | experiment |", "|---|---|---|", *rows])


def _read(path: Path) -> Iterator[Found]:
    headings, words = [path.stem], {part.words for part in PARTS.values()}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            headings += re.findall(r"^## (.+)$", "".join(cell["source"]), re.MULTILINE)
        for line in _printed(cell.get("outputs", [])):
            verdict = Verdict.read(line)
            if verdict and verdict.sentence not in words:
                yield Found(verdict, path.name, len(headings) - 1, headings[-1])


def _printed(outputs: list[dict[str, Any]]) -> list[str]:
    return "".join("".join(output.get("text", "")) for output in outputs).splitlines()


def _outcome(found: list[Found], kind: str = "experiment") -> str:
    if not found:
        return "open" if kind == "experiment" else kind
    verdict = in_all(one.verdict for one in found)
    return "cannot be shown here" if verdict.lacks else verdict.outcome


def _links(part: list[Found]) -> str:
    return ", ".join(dict.fromkeys(one.short_link for one in part))


def _show(lines: list[str]) -> None:
    display(Markdown("\n".join(lines)))  # type: ignore[no-untyped-call]
