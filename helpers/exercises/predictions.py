"""Predictions: picked before an experiment, kept, shown beside what was seen, and counted.

predict("pids", "How many PIDs will eight jobs report?", ["one", "four", "eight"])
...
seen("pids", "four")
score()
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from helpers.show import short


@dataclass
class _Prediction:
    choices: tuple[str, ...]
    picked: str | None = None
    seen: str | None = None


_made: dict[str, _Prediction] = {}  # by name, since this Python started


def predict(name: str, question: str, choices: Sequence[str]) -> None:
    """Show a question and its possible answers, of which one can be picked by mouse or keyboard.

    What is picked is kept under ``name``; the same call once more keeps it. Where there is no front end,
    question and answers are text. Raises TypeError or ValueError for fewer than two different answers.
    """
    from IPython.display import display  # only here, as these take a while to import
    from ipywidgets import HTML, ToggleButtons, VBox

    if isinstance(choices, str) or not all(isinstance(choice, str) for choice in choices):
        raise TypeError(f"choices: expected a list of texts, got {short(choices)}")
    if len(set(choices)) != len(choices) or len(choices) < 2:
        raise ValueError(f"choices: expected at least two different answers, got {short(choices)}")
    made = _made.setdefault(name, _Prediction(tuple(choices)))
    if made.choices != tuple(choices):
        made = _made[name] = _Prediction(tuple(choices))
    buttons = ToggleButtons(options=choices, value=made.picked, tooltips=choices)
    buttons.style.button_width = "auto"

    def picked(change: dict[str, Any]) -> None:
        made.picked = change["new"]

    buttons.observe(picked, names="value")
    view = VBox([HTML(f"<b>Predict.</b> {question}"), buttons])._repr_mimebundle_()
    view["text/plain"] = f"Predict. {question} {' / '.join(choices)}"
    display(view, raw=True)  # type: ignore[no-untyped-call]


def seen(name: str, answer: str) -> None:
    """Print what was seen, and beside it what was predicted under this name, if anything was.

    Raises ValueError for a name without a prediction, or an answer that was not among its choices.
    """
    if name not in _made:
        raise ValueError(f"name: expected one of a prediction, got {short(name)}: run its cell first")
    made = _made[name]
    if answer not in made.choices:
        raise ValueError(f"answer: expected one of {', '.join(made.choices)}, got {short(answer)}")
    made.seen = answer
    if made.picked is None:
        print(f"Seen: {answer}.")
    elif made.picked == answer:
        print(f"Seen: {answer}, as you predicted.")
    else:
        print(f"Seen: {answer}. You predicted: {made.picked}.")


def score() -> None:
    """Print how many predictions were right, of those that were made and tried."""
    tried = [made for made in _made.values() if made.picked and made.seen]
    right = sum(made.picked == made.seen for made in tried)
    if tried:
        print(f"You were right in {right} of {len(tried)} predictions.")
    else:
        print("You have made no prediction yet: pick an answer before you run an experiment.")
