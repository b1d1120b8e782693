"""What holds on which Python and system: the verdicts of whole runs of the series, one file a run.

``python3 run.py verdicts`` runs all chapters and calls ``python -m helpers.experiments.pythons NOTEBOOKS
FOLDER``, which writes what they printed to a file in the folder, named for this Python and system. Chapter 08
shows all such files side by side.
"""

import json
import platform
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

from IPython.display import Markdown, display

from helpers import children
from helpers.claims import PARTS, Verdict, in_all
from helpers.experiments import verdicts

SIGNS = {"holds": "yes", "holds, but": "but", "does not hold": "no"}
"""How a finding is written in the table; "–" is for what could not be shown there, "?" for what was not
decided, "!" for what that run did not confirm."""


@dataclass(frozen=True)
class Series:
    """One run of all chapters: where, and the verdicts' lines in the order in which they were printed."""

    system: str
    python: str
    start_method: str
    gil: bool
    lines: list[str]

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts, read from their lines."""
        return [verdict for line in self.lines if (verdict := Verdict.read(line))]

    @property
    def name(self) -> str:
        """The run's name in the table, such as "Linux 3.14 forkserver"; a "t" is for free-threaded."""
        version = ".".join(self.python.split(".")[:2])
        return f"{self.system} {version}{'' if self.gil else 't'} {self.start_method}"


def here(notebooks: str | PathLike[str]) -> Series:
    """Return the run on this computer whose chapters are in the folder ``notebooks``."""
    found = [one.verdict for one in verdicts.collect(notebooks)]
    return Series(
        {"Darwin": "macOS"}.get(platform.system(), platform.system()),
        platform.python_version(),
        children.default_start_method(),
        not sysconfig.get_config_var("Py_GIL_DISABLED"),
        [one.line for one in found],
    )


def write(series: Series, folder: Path) -> Path:
    """Write a run to a file that is named for it, in the place of an earlier one; return the file."""
    path = folder / f"{series.name.lower().replace(' ', '-')}.json"
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(series), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def collect(folder: str | PathLike[str] = "verdicts") -> list[Series]:
    """Return the runs that are kept in a folder, by system, version and start method."""
    runs = [Series(**json.loads(path.read_text("utf-8"))) for path in Path(folder).glob("*.json")]
    return sorted(runs, key=lambda run: (run.system, int(run.python.split(".")[1]), run.name))


def table(runs: Sequence[Series]) -> None:
    """Show a row for each part and a column for each run, with the signs of ``SIGNS``."""
    by_run = [run.verdicts for run in runs]
    rows = []
    for part in PARTS:
        given = [[verdict for verdict in verdicts if verdict.part == part] for verdicts in by_run]
        if any(given):
            rows.append(f"| {part} | {' | '.join(sign(in_all(found)) if found else '' for found in given)} |")
    _show([f"| part | {' | '.join(run.name for run in runs)} |", "|---" * (len(runs) + 1) + "|", *rows])


def sign(verdict: Verdict) -> str:
    """Return how a verdict is written in the table."""
    if verdict.lacks:
        return "–"
    return {None: "?", False: "!"}.get(verdict.confirmed, SIGNS[verdict.finding])


def differences(runs: Sequence[Series]) -> None:
    """Show the sentences that were not found alike in all runs, and which run found what."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for run in runs:
        for verdict in run.verdicts:
            outcomes = found.setdefault((verdict.part, verdict.sentence), {})
            outcomes.setdefault(verdict.outcome, []).append(run.name)
    rows = [
        f"| {part} | {sentence} | {outcome} | {', '.join(names)} |"
        for (part, sentence), outcomes in found.items()
        if len(outcomes) > 1
        for outcome, names in outcomes.items()
    ]
    if rows:
        _show(["| part | sentence | verdict | where |", "|---|---|---|---|", *rows])
    else:
        _show(["No sentence was found otherwise in another run."])


def _show(lines: list[str]) -> None:
    display(Markdown("\n".join(lines)))  # type: ignore[no-untyped-call]


def main(notebooks: str, folder: str) -> None:
    """Write the verdicts that the chapters in a folder store, and say where."""
    print(write(here(notebooks), Path(folder)).name)


if __name__ == "__main__":
    main(*sys.argv[1:])
