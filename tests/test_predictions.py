"""Predictions: what is picked is kept, compared and counted; without a front end they are text."""

import ipywidgets
import pytest

from helpers.exercises import predictions
from helpers.exercises.predictions import predict, score, seen


@pytest.fixture(autouse=True)
def views(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", lambda view, raw: found.append(view))
    monkeypatch.setattr(predictions, "_made", {})
    return found


@pytest.fixture
def pick(monkeypatch):
    """Pick an answer of the last prediction, as by hand."""
    made = []
    real = ipywidgets.ToggleButtons
    monkeypatch.setattr(
        ipywidgets, "ToggleButtons", lambda **options: made.append(real(**options)) or made[-1]
    )
    return lambda answer: setattr(made[-1], "value", answer)


def said(capsys):
    return capsys.readouterr().out


def test_a_question_is_text_where_there_is_no_front_end(views):
    predict("pids", "How many?", ["one", "four"])
    assert views[0]["text/plain"] == "Predict. How many? one / four"
    assert "application/vnd.jupyter.widget-view+json" in views[0]


def test_without_a_pick_only_what_was_seen_is_said(capsys):
    predict("pids", "How many?", ["one", "four"])
    seen("pids", "four")
    score()
    assert said(capsys) == (
        "Seen: four.\nYou have made no prediction yet: pick an answer before you run an experiment.\n"
    )


def test_a_pick_is_kept_compared_and_counted(capsys, pick):
    predict("pids", "How many?", ["one", "four"])
    pick("one")
    seen("pids", "four")
    predict("race", "Lost?", ["yes", "no"])
    pick("yes")
    seen("race", "yes")
    predict("never seen", "Then?", ["yes", "no"])
    pick("yes")
    score()
    assert said(capsys).splitlines() == [
        "Seen: four. You predicted: one.",
        "Seen: yes, as you predicted.",
        "You were right in 1 of 2 predictions.",
    ]


def test_a_cell_that_is_run_again_keeps_the_pick_and_may_change_it(capsys, pick):
    for answer in ("one", "four"):
        predict("pids", "How many?", ["one", "four"])
        pick(answer)
        predict("pids", "How many?", ["one", "four"])
        seen("pids", "four")
    assert said(capsys).splitlines() == ["Seen: four. You predicted: one.", "Seen: four, as you predicted."]


@pytest.mark.parametrize("choices", [["one"], ["one", "one"], []])
def test_a_choice_needs_two_answers(choices):
    with pytest.raises(ValueError, match="choices: expected at least two different answers"):
        predict("pids", "How many?", choices)


@pytest.mark.parametrize("choices", ["one", ["one", 2]])
def test_answers_are_texts(choices):
    with pytest.raises(TypeError, match="choices: expected a list of texts"):
        predict("pids", "How many?", choices)


def test_what_was_seen_is_one_of_the_answers_to_a_question_that_was_put():
    with pytest.raises(ValueError, match="name: expected one of a prediction, got 'pids': run its"):
        seen("pids", "four")
    predict("pids", "How many?", ["one", "four"])
    with pytest.raises(ValueError, match="answer: expected one of one, four, got 'five'"):
        seen("pids", "five")
