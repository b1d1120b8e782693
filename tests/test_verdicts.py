"""The verdicts of all chapters: what is read from stored outputs, and what is shown of it."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4

from helpers import claims
from helpers.claims import STATEMENTS, Verdict
from helpers.experiments import verdicts
from tests.test_notebooks import NOTEBOOKS, Notebook, anchors, read

FOLDER = Path(__file__).parent.parent / "notebooks"
WORDS = st.from_regex(r"[a-z][a-z ,:()]*", fullmatch=True)


@pytest.fixture
def chapter(tmp_path):
    """Write a chapter whose cells print these texts, under the heading "Two workers"."""

    def write(*printed, name="02_two.ipynb"):
        cells = [v4.new_markdown_cell("# A question?\n\nText.\n\n## Two workers\n\nMore text.")]
        for text in printed:
            output = v4.new_output("stream", text=text)
            cells.append(v4.new_code_cell("1", outputs=[output], execution_count=1))
        nbformat.write(v4.new_notebook(cells=cells), tmp_path / name)
        return tmp_path

    return write


@given(
    st.sampled_from(list(STATEMENTS)),
    WORDS,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "no fork", "no fork (yet)"]),
)
def test_a_printed_verdict_is_read_again(number, sentence, holds, but, lacks):
    given = Verdict(number, sentence, holds, but, lacks)
    with redirect_stdout(StringIO()) as printed:
        claims.check(number, sentence, holds, but=but, needs=lacks)
    again = Verdict.read(printed.getvalue().removesuffix("\n"))
    assert again is not None
    assert (again.statement, again.sentence, again.outcome) == (number, sentence, given.outcome)


@pytest.mark.parametrize("line", ["", "F1", "F1 holds", "it is so: F1 holds: yes", "F1 fails: yes"])
def test_other_lines_are_no_verdicts(line):
    assert Verdict.read(line) is None


def test_verdicts_are_found_with_their_place(chapter):
    folder = chapter("one\nF3 holds: a\n", "F3 holds, but b\nF10 cannot be shown here (no fork): c\n")
    found = verdicts.collect(folder)
    assert [(one.verdict.statement, one.verdict.sentence) for one in found] == [
        ("F3", "a"), ("F3", "b"), ("F10", "c")
    ]  # fmt: skip
    assert {one.link for one in found} == {"[02 Two workers](02_two.ipynb#Two-workers)"}
    outcomes = verdicts.outcomes(found)
    assert outcomes["F3"] == ("holds, but", 2)
    assert outcomes["F10"] == ("cannot be shown here", 1)
    assert outcomes["F1"] == ("open", 0)


def test_the_verdicts_in_all_are_left_out(chapter):
    assert verdicts.collect(chapter(f"F3 holds, but: {STATEMENTS['F3']}\n")) == []


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder: expected one that holds notebooks"):
        verdicts.collect(tmp_path)


def test_what_is_shown(chapter, monkeypatch):
    shown = []
    monkeypatch.setattr(verdicts, "display", lambda view: shown.append(view.data))
    found = verdicts.collect(chapter("F3 holds: a\n", "F3 holds, but b\nF8 does not hold here: c\n"))
    verdicts.table(found)
    verdicts.limits(found)
    table, limits = (text.splitlines() for text in shown)
    assert len(table) == 2 + 25
    link = '[02.1](02_two.ipynb#Two-workers "Two workers")'
    assert table[4] == f"| **F3** | {STATEMENTS['F3']} | holds, but | {link} |"
    assert "does not hold here" in table[9]
    assert limits[2:] == ["| **F3** | ... but b | [02 Two workers](02_two.ipynb#Two-workers) |"]


def test_every_statement_is_examined_and_none_fails():
    outcomes = verdicts.outcomes(verdicts.collect(FOLDER))
    assert {number for number, (outcome, _) in outcomes.items() if not outcome.startswith("holds")} == set()


def test_every_link_leads_to_a_heading():
    series = tuple(path.name for path in NOTEBOOKS)
    for link in {one.link for one in verdicts.collect(FOLDER)}:
        name, part = re.fullmatch(r"\[.*\]\((.*)#(.*)\)", link).groups()
        assert part in anchors(Notebook(FOLDER / name, read(FOLDER / name), series)), link


def test_verdicts_on_several_statements_are_not_put_together():
    with pytest.raises(ValueError, match="verdicts: expected some on one statement"):
        claims.in_all([Verdict("F1", "a", True), Verdict("F2", "b", True)])
    with pytest.raises(ValueError, match="verdicts: expected some on one statement"):
        claims.in_all([])
