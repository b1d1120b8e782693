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

from helpers.claims import PARTS, STATEMENTS, Verdict, in_all, statement


@dataclass(frozen=True)
class Found:
    """A verdict, the file name of the chapter that gave it, and which of its headings it stands under."""

    verdict: Verdict
    chapter: str
    section: int
    heading: str

    @property
    def place(self) -> str:
        """Where the experiment is, as a link leads there."""
        return f"{self.chapter}#{self.heading.replace(' ', '-')}"

    @property
    def short_link(self) -> str:
        """A link in Markdown that reads "01.3"; the heading is shown when the mouse is over it."""
        title = self.heading.replace('"', "'")
        return f'[{self.chapter[:2]}.{self.section}]({self.place} "{title}")'

    @property
    def link(self) -> str:
        """A link in Markdown that reads as chapter and heading."""
        return f"[{self.chapter[:2]} {self.heading}]({self.place})"


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
    """Return for each statement its verdict in all, such as "holds, but", and of how many claims it is made.

    What could not be shown on this computer alone is "cannot be shown here"; without a claim it is "open".
    """
    whole: dict[str, list[Found]] = {number: [] for number in STATEMENTS}
    for one in found:
        whole[statement(one.verdict.part)].append(one)
    return {number: (_outcome(claims), len(claims)) for number, claims in whole.items()}


def in_words(outcomes: Mapping[str, tuple[str, int]]) -> str:
    """Return in a sentence how many statements have which verdict, the most frequent first."""
    counts = Counter(outcome for outcome, _ in outcomes.values())
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return f"Of {len(outcomes)} statements: {said}"


def table(found: Iterable[Found]) -> None:
    """Show each part with its verdict in all, and links to its experiments: chapter and section.

    An opinion is called that, and has no verdict.
    """
    rows = [
        f"| **{name}** | {PARTS[name].words} | {_outcome(part, PARTS[name].kind)} | {_links(part)} |"
        for name, part in in_parts(found).items()
    ]
    _show(["| | the tutorial says | verdict | experiments |", "|---|---|---|---|", *rows])


def limits(found: Iterable[Found]) -> None:
    """Show every sentence that limits what the tutorial says, or refutes it."""
    joints = {"holds, but": "holds, but", "does not hold": "does not hold:"}
    rows = [
        f"| **{one.verdict.part}** | {joints[one.verdict.finding]} {one.verdict.sentence} | {one.link} |"
        for part in in_parts(found).values()
        for one in part
        if one.verdict.finding in joints
    ]
    _show(["| | | experiment |", "|---|---|---|", *rows])


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
