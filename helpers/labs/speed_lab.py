"""The speed lab: choose who works, how many and on what, and see speed-ups settle as rounds come in."""

from html import escape

from ipywidgets import HTML, Button, Dropdown, HBox, IntSlider

from helpers import charts, machine, ways
from helpers.labs.frame import Lab
from helpers.labs.rounds import SIZES, Rounds


def speed_lab() -> None:
    """Show the speed-up of threads and processes over one worker, round by round, until you stop.

    Choose the way, the number of workers and the size of a job, and press Run. Each round takes the same
    twenty-four sums by one worker and by several.
    """
    rounds = Rounds()
    picture, words = HTML(), HTML()
    way = Dropdown(options=[name for name in ways.WAYS if name != "serial"], description="Workers are")
    workers = IntSlider(2, min=1, max=max(8, 2 * machine.cores()), description="How many")
    size = Dropdown(options=list(SIZES), value=rounds.size, description="A job is")

    def draw() -> None:
        if lab.every:
            rounds.run(way.value, workers.value)
        words.value = f'<p role="status">{escape(story(rounds))}</p>'
        picture.value = html(rounds)

    def run() -> None:
        lab.every = 0.01

    def stop() -> None:
        lab.every = None

    def reset() -> None:
        stop()
        rounds.reset()

    def choose(value: str) -> None:
        stop()
        rounds.choose(value)

    lab = Lab("speed", draw, stop)
    lab.on_choice(size, choose)
    buttons: list[Button] = [
        lab.button("Run", run, "round after round, until you stop"),
        lab.button("Stop", stop, "after this round"),
        lab.button("Reset", reset, "forget what was measured"),
    ]
    lab.show(HBox([way, workers, size]), HBox(buttons), words, picture)


def story(rounds: Rounds) -> str:
    """Say in words what was measured."""
    if not rounds.points:
        return "No round yet: press Run."
    return " ".join(
        f"{point.workers} {point.way}: {point.median:.2f} times as fast as one worker "
        f"({point.low:.2f} to {point.high:.2f} in {len(point.ratios)} rounds)."
        for point in rounds.points
    )


def html(rounds: Rounds) -> str:
    """Return the pictures: all speed-ups so far, and who did what in the last round."""
    if not rounds.last:
        return ""
    with charts.collect() as pictures:
        charts.speedups(rounds.points, "Times as fast as one worker", cores=machine.cores())
        charts.timeline(rounds.last, "The last round")
    return "".join(pictures)
