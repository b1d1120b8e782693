"""The printed line of every verdict, and what a claim refuses."""

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

from helpers import claims, machine

SENTENCE = "two processes use two cores"


@pytest.mark.parametrize(
    ("holds", "options", "line"),
    [
        (True, {}, f"F3 holds: {SENTENCE}"),
        (True, {"but": True}, f"F3 holds, but {SENTENCE}"),
        (True, {"measured": 1.97}, f"F3 holds: {SENTENCE}"),
        (False, {}, f"F3 does not hold here: {SENTENCE}"),
        (False, {"but": True}, f"F3 does not hold here: {SENTENCE}"),
        (False, {"measured": 0}, f"F3 does not hold here: {SENTENCE} (measured 0)"),
        (False, {"measured": "1.02 cores"}, f"F3 does not hold here: {SENTENCE} (measured 1.02 cores)"),
        (False, {"needs": "no fork", "measured": 9}, f"F3 cannot be shown here (no fork): {SENTENCE}"),
        (True, {"needs": "no fork"}, f"F3 cannot be shown here (no fork): {SENTENCE}"),
    ],
)
def test_printed_line(capsys, holds, options, line):
    assert claims.check("F3", SENTENCE, holds, **options) is None
    assert capsys.readouterr().out == f"{line}\n"


def test_the_register_has_25_statements():
    assert list(claims.STATEMENTS) == [f"F{number}" for number in range(1, 26)]
    assert len(set(claims.STATEMENTS.values())) == 25


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ([(True, {}), (True, {})], "holds"),
        ([(True, {"but": True}), (True, {})], "holds, but"),
        ([(True, {}), (False, {})], "does not hold here"),
        ([(True, {}), (False, {"needs": "no fork"})], "holds"),
        ([(True, {}), (True, {"but": True, "needs": "no fork"})], "holds, but"),
        ([(False, {"needs": "no fork"}), (True, {"needs": "no curl"})], "cannot be shown here (no fork)"),
        ([(False, {"needs": "no fork"}), (False, {"but": True})], "does not hold here"),
    ],
)
def test_summary(capsys, monkeypatch, given, outcome):
    monkeypatch.setattr(claims, "_given", {})
    claims.check("F3", "a claim that is made again", False)
    for name, (holds, options) in zip(["a claim that is made again", "another"], given, strict=True):
        claims.check("F3", name, holds, **options)
    capsys.readouterr()
    claims.summary()
    assert capsys.readouterr().out == f"F3 {outcome}: {claims.STATEMENTS['F3']}\n"


@pytest.mark.parametrize("statement", claims.STATEMENTS)
def test_every_statement_can_be_claimed(capsys, statement):
    claims.check(statement, SENTENCE, True)
    assert claims.Verdict.read(capsys.readouterr().out.strip()) == claims.Verdict(statement, SENTENCE, True)


@pytest.mark.parametrize("wrong", ["F0", "F26", "F01", "f1", "F", "", 1, None])
def test_an_unknown_statement_is_refused(capsys, wrong):
    with pytest.raises(ValueError, match=f"statement: expected one of F1 to F25, got {wrong!r}"):
        claims.check(wrong, SENTENCE, True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("wrong", ["", "2 processes use all cores", "a speed-up of 1.9"])
def test_a_sentence_with_digits_or_without_words_is_refused(capsys, wrong):
    with pytest.raises(ValueError, match="sentence: expected words without digits"):
        claims.check("F1", wrong, True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("wrong", [None, "yes", 2, 0.5, []])
def test_evidence_that_is_no_comparison_is_refused(capsys, wrong):
    with pytest.raises(TypeError, match="holds: expected True or False"):
        claims.check("F1", SENTENCE, wrong)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("but", [False, True])
def test_what_a_computer_lacks_does_not_fail_the_comparison_of_outputs(capsys, but):
    """The sanitize file makes the line of a smaller computer the same as that of a full one."""
    rules = RawConfigParser()
    rules.read(Path(__file__).with_name("sanitize.cfg"), encoding="utf-8")
    claims.check("F3", SENTENCE, False, but=but, needs=machine.lacks(cores_needed=10_000))
    claims.check("F3", SENTENCE, True, but=but)
    smaller, full = capsys.readouterr().out.splitlines()
    assert smaller != full
    for name in rules.sections():
        smaller = re.sub(rules[name]["regex"], rules[name]["replace"], smaller)
    assert smaller == full
