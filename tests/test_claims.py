"""The printed line of every verdict, what follows from several, and what a claim refuses."""

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

from helpers import claims, machine
from helpers.claims import PARTS, STATEMENTS, Verdict

SENTENCE = "two processes use two cores"
BUT, REFUTES, LACKS = {"but": True}, {"refutes": True}, {"needs": "no fork"}
EXPERIMENTS = [name for name, part in PARTS.items() if part.kind == "experiment"]


@pytest.fixture(autouse=True)
def _nothing_given_yet(monkeypatch):
    monkeypatch.setattr(claims, "_given", {})


@pytest.mark.parametrize(
    ("evidence", "options", "line"),
    [
        (True, {}, f"F3a holds: {SENTENCE}"),
        (True, BUT, f"F3a holds, but {SENTENCE}"),
        (True, REFUTES, f"F3a does not hold: {SENTENCE}"),
        (True, {"measured": 1.97}, f"F3a holds: {SENTENCE}"),
        (False, {}, f"F3a is not confirmed by this run: {SENTENCE}"),
        (False, BUT, f"F3a is not confirmed by this run: {SENTENCE}"),
        (False, REFUTES, f"F3a is not confirmed by this run: {SENTENCE}"),
        (False, {"measured": 0}, f"F3a is not confirmed by this run: measured 0; {SENTENCE}"),
        (None, {}, f"F3a is not decided on this computer now: {SENTENCE}"),
        (None, BUT, f"F3a is not decided on this computer now, but {SENTENCE}"),
        (None, REFUTES, f"F3a is not refuted on this computer now: {SENTENCE}"),
        (False, LACKS | {"measured": 9}, f"F3a cannot be shown here (no fork): {SENTENCE}"),
        (True, LACKS | BUT, f"F3a cannot be shown here (no fork), but {SENTENCE}"),
        (None, LACKS | REFUTES, f"F3a cannot be refuted here (no fork): {SENTENCE}"),
    ],
)
def test_printed_line(capsys, evidence, options, line):
    assert claims.check("F3a", SENTENCE, evidence, **options) is None
    assert capsys.readouterr().out == f"{line}\n"


def test_the_register_has_25_statements_and_their_parts():
    assert list(STATEMENTS) == [f"F{number}" for number in range(1, 26)]
    assert list(dict.fromkeys(map(claims.statement, PARTS))) == list(STATEMENTS)
    assert len({part.words for part in PARTS.values()}) == len(PARTS)
    assert {part.kind for part in PARTS.values()} == {"experiment", "opinion"}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ([(True, {}), (True, {})], "holds"),
        ([(True, BUT), (True, {})], "holds, but"),
        ([(True, REFUTES), (True, {})], "does not hold"),
        ([(True, REFUTES), (True, BUT)], "does not hold"),
        ([(True, {}), (False, {})], "is not confirmed by this run"),
        ([(True, REFUTES), (False, REFUTES)], "is not confirmed by this run"),
        ([(True, {}), (None, BUT)], "holds"),
        ([(None, {}), (None, {})], "is not decided on this computer now"),
        ([(True, {}), (False, LACKS)], "holds"),
        ([(True, {}), (True, BUT | LACKS)], "holds"),
        ([(False, LACKS), (True, {"needs": "no curl"})], "cannot be shown here (no fork)"),
        ([(False, LACKS), (False, BUT)], "is not confirmed by this run"),
    ],
)
def test_summary(capsys, given, outcome):
    claims.check("F3a", "a claim that is made again", False)
    for name, (evidence, options) in zip(["a claim that is made again", "another"], given, strict=True):
        claims.check("F3a", name, evidence, **options)
    capsys.readouterr()
    claims.summary()
    assert capsys.readouterr().out == f"F3a {outcome}: {PARTS['F3a'].words}\n"


def test_no_part_answers_for_another(capsys):
    claims.check("F3a", SENTENCE, True)
    claims.check("F3b", SENTENCE, True, refutes=True)
    capsys.readouterr()
    claims.summary()
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "F3a holds", "F3b does not hold",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ({"F10a": ["holds"], "F10b": ["holds", "holds"]}, "holds"),
        ({"F10a": ["holds"], "F10b": ["holds", "holds, but"]}, "holds, but"),
        ({"F10a": ["holds"], "F10b": ["does not hold"]}, "holds, but"),
        ({"F10a": ["does not hold", "holds"], "F10b": ["does not hold"]}, "does not hold"),
    ],
)
def test_a_statement_is_what_its_parts_add_up_to(parts, outcome):
    given = [Verdict(name, SENTENCE, finding) for name, findings in parts.items() for finding in findings]
    assert claims.in_all(given).outcome == outcome
    spoilt = [*given, Verdict("F10c", SENTENCE, confirmed=False)]
    assert claims.in_all(spoilt).outcome == "is not confirmed by this run"
    undecided = [*given, Verdict("F10c", SENTENCE, confirmed=None), Verdict("F10c", "x", lacks="no fork")]
    assert claims.in_all(undecided).outcome == outcome


@pytest.mark.parametrize("part", EXPERIMENTS)
def test_every_experiment_can_be_claimed(capsys, part):
    claims.check(part, SENTENCE, True)
    assert Verdict.read(capsys.readouterr().out.strip()) == Verdict(part, SENTENCE)


@pytest.mark.parametrize("wrong", ["F0", "F26", "F01", "f1", "F", "", 1, None])
def test_an_unknown_part_is_refused(capsys, wrong):
    with pytest.raises(ValueError, match=f"part: expected one of F1 to F25, got {wrong!r}"):
        claims.check(wrong, SENTENCE, True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("wrong", ["F3", "F3d"])
def test_of_a_statement_in_parts_they_are_named(wrong):
    with pytest.raises(ValueError, match=f"part: expected one of F3a, F3b, F3c, got '{wrong}'"):
        claims.check(wrong, SENTENCE, True)


@pytest.mark.parametrize("opinion", PARTS.keys() - set(EXPERIMENTS))
def test_an_opinion_has_no_verdict(opinion):
    with pytest.raises(ValueError, match=f"part: {opinion} is opinion, which has no verdict"):
        claims.check(opinion, SENTENCE, True)


def test_what_limits_a_part_does_not_refute_it():
    with pytest.raises(ValueError, match="but, refutes: expected one of them at most"):
        claims.check("F3b", SENTENCE, True, but=True, refutes=True)


@pytest.mark.parametrize("wrong", ["", "2 processes use all cores", "a speed-up of 1.9"])
def test_a_sentence_with_digits_or_without_words_is_refused(capsys, wrong):
    with pytest.raises(ValueError, match="sentence: expected words, without digits"):
        claims.check("F1", wrong, True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("wrong", ["yes", 2, 0.5, []])
def test_evidence_that_is_no_comparison_is_refused(capsys, wrong):
    with pytest.raises(TypeError, match="evidence: expected True, False, or None for undecided"):
        claims.check("F1", SENTENCE, wrong)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("options", [{}, BUT, REFUTES], ids=["holds", "but", "refutes"])
@pytest.mark.parametrize(
    ("evidence", "lacks"), [(False, {"needs": machine.lacks(cores_needed=10_000)}), (None, {})]
)
def test_what_cannot_be_shown_or_decided_does_not_fail_the_comparison(capsys, options, evidence, lacks):
    """The sanitize file makes the line of a smaller or busier computer the same as that of a full one."""
    claims.check("F3a", SENTENCE, evidence, **lacks, **options)
    claims.check("F3a", SENTENCE, True, **options)
    smaller, full = capsys.readouterr().out.splitlines()
    assert smaller != full
    assert sanitized(smaller) == sanitized(full) == full


def test_no_finding_is_compared_as_another(capsys):
    for options in ({}, BUT, REFUTES):
        claims.check("F3a", SENTENCE, True, **options)
    claims.check("F3a", SENTENCE, False)
    lines = capsys.readouterr().out.splitlines()
    assert len({sanitized(line) for line in lines}) == 4


def sanitized(line):
    rules = RawConfigParser()
    rules.read(Path(__file__).with_name("sanitize.cfg"), encoding="utf-8")
    for name in rules.sections():
        line = re.sub(rules[name]["regex"], rules[name]["replace"], line)
    return line
