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
from helpers.claims import PARTS, STATEMENTS, Verdict
from helpers.experiments import verdicts
from tests.test_notebooks import NOTEBOOKS, Notebook, anchors, read

FOLDER = Path(__file__).parent.parent / "notebooks"
WORDS = st.from_regex(r"[a-z][a-z ,:()]*", fullmatch=True)


@pytest.fixture
def chapter(tmp_path):
    """Write a chapter whose cells print these texts, under the heading "Two workers"."""

    def write(*printed, name="02b_two.ipynb"):
        cells = [v4.new_markdown_cell("# A question?\n\nText.\n\n## Two workers\n\nMore text.")]
        for text in printed:
            output = v4.new_output("stream", text=text)
            cells.append(v4.new_code_cell("1", outputs=[output], execution_count=1))
        nbformat.write(v4.new_notebook(cells=cells), tmp_path / name)
        return tmp_path

    return write


@given(
    st.sampled_from([name for name, part in PARTS.items() if part.kind == "experiment"]),
    WORDS,
    st.sampled_from([True, False, None]),
    st.sampled_from([{}, {"but": True}, {"refutes": True}]),
    st.sampled_from(["", "no fork", "no fork (yet)"]),
)
def test_a_printed_verdict_is_read_again(part, sentence, evidence, options, lacks):
    with redirect_stdout(StringIO()) as printed:
        claims.check(part, sentence, evidence, **options, needs=lacks)
    again = Verdict.read(printed.getvalue().removesuffix("\n"))
    assert again is not None
    assert (again.part, again.sentence, again.lacks) == (part, sentence, lacks)
    assert again.confirmed == (True if lacks else evidence)
    if again.confirmed is not False:
        finding = "does not hold" if "refutes" in options else "holds, but" if options else "holds"
        assert again.finding == finding


@pytest.mark.parametrize("line", ["", "F1", "F1 holds", "it is so: F1 holds: yes", "F1 fails: yes"])
def test_other_lines_are_no_verdicts(line):
    assert Verdict.read(line) is None


def test_verdicts_are_found_with_their_place(chapter):
    printed = ["one\nF3a holds: a\n", "F3b does not hold: b\nF10a cannot be shown here (no fork): c\n"]
    found = verdicts.collect(chapter(*printed))
    assert [(one.verdict.part, one.verdict.sentence) for one in found] == [
        ("F3a", "a"), ("F3b", "b"), ("F10a", "c")
    ]  # fmt: skip
    assert {one.link for one in found} == {"[02b Two workers](02b_two.ipynb#Two-workers)"}
    outcomes = verdicts.outcomes(found)
    assert outcomes["F3a"] == ("holds", 1)
    assert outcomes["F3b"] == ("does not hold", 1)
    assert outcomes["F3c"] == ("opinion", 0)
    assert outcomes["F10a"] == ("cannot be shown here", 1)
    assert outcomes["F1"] == ("open", 0)


def test_verdicts_in_words():
    outcomes = {"F1": ("holds, but", 3), "F2": ("holds", 1), "F3a": ("holds, but", 2), "F3c": ("opinion", 0)}
    assert verdicts.in_words(outcomes) == "1 parts hold, 2 with a but, and 0 do not"
    assert verdicts.in_words({"F1": ("does not hold", 1)}) == "0 parts hold, 0 with a but, and 1 does not"


def test_the_verdicts_in_all_are_left_out(chapter):
    assert verdicts.collect(chapter(f"F3a holds, but: {PARTS['F3a'].words}\n")) == []


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder: expected one that holds notebooks"):
        verdicts.collect(tmp_path)


def test_what_is_shown(chapter, monkeypatch):
    shown = []
    monkeypatch.setattr(verdicts, "display", lambda view: shown.append(view.data))
    found = verdicts.collect(chapter("F3a holds: a\n", "F3a holds, but b\nF3b does not hold: c\n"))
    verdicts.table(found)
    verdicts.limits(found)
    table, limits = (text.splitlines() for text in shown)
    several = {number for number in STATEMENTS if number not in PARTS}
    assert len(table) == 2 + len(PARTS) + len(several)
    link = '[02b.1](02b_two.ipynb#Two-workers "Two workers")'
    assert table[4:8] == [
        f"| **F3** | **{STATEMENTS['F3']}** | **holds, but** | |",
        f"| F3a | {PARTS['F3a'].words} | holds, but | {link} |",
        f"| F3b | {PARTS['F3b'].words} | does not hold | {link} |",
        f"| F3c | {PARTS['F3c'].words} | opinion |  |",
    ]
    place = "[02b Two workers](02b_two.ipynb#Two-workers)"
    assert limits[2:] == [
        f"| **F3a** | holds, but b | {place} |",
        f"| **F3b** | does not hold: c | {place} |",
    ]


def test_every_statement_is_examined_and_what_is_stored_is_a_finding():
    found = verdicts.collect(FOLDER)
    assert {claims.statement(one.verdict.part) for one in found} == STATEMENTS.keys()
    assert [one for one in found if one.verdict.confirmed is not True] == []
    assert {one.verdict.part for one in found if one.verdict.finding == "does not hold"} == {
        "F3b", "F6b", "F21b"
    }  # fmt: skip


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
