"""Pictures of a mail queue: when mails arrived and how long their sender waited; tries that were refused."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from helpers.charts.style import LOOKS, RED, Look, fit, light, picture
from helpers.charts.words import UNITS, check_dict, check_kind, check_positive, count, human, unit

_ANSWERS = {
    2: ("taken (2xx)", Look(LOOKS["asyncio"].color, "o", "")),
    4: ("refused for now (4xx)", Look(LOOKS["threads"].color, "X", "")),
    5: ("refused for good (5xx)", Look(RED, "s", "")),
}
"""By the first digit of a server's answer: what it means, and how it looks."""

_WAIT = LOOKS["threads"].color

Try = tuple[float, int]  # when, in seconds, and the code of the server's answer


def arrivals(
    runs: Mapping[str, tuple[float, Sequence[float]]], title: str, *, shown: bool | None = True
) -> None:
    """Show how many mails had arrived at each moment, and how long their sender waited, a panel a run.

    A run is the seconds that the sender waited, and the seconds after which each mail arrived.
    """
    check_dict("runs", runs, tuple)
    for name, (waited, times) in runs.items():
        check_positive(f"runs[{name!r}]", [waited, *times], zero=True)
    last = max(1e-9, *(time for waited, times in runs.values() for time in (waited, *times)))
    size = UNITS[unit(last)]
    alt = " ".join(_arrivals_in_words(name, *run) for name, run in runs.items())
    with picture(title, alt, 0.8 + 1.5 * len(runs), shown=shown) as figure:
        panels = figure.subplots(len(runs), sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (name, (waited, times)) in zip(panels, runs.items(), strict=True):
            axes.set_title(fill(f"{name}: the sender waits {human(waited)}", 70), loc="left")
            axes.set(xlim=(-0.01 * last / size, last / size), ylabel="mails\narrived")
            axes.axvspan(0, waited / size, color=light(_WAIT), zorder=0)
            axes.axvline(waited / size, color=_WAIT, clip_on=False)
            x = [0.0, *(time / size for time in sorted(times)), last / size]
            y = [*range(len(times) + 1), len(times)]
            axes.step(x, y, color=LOOKS["processes"].color, where="post", clip_on=False)
        panels[-1].set_yticks(sorted({0, *(len(times) for _, times in runs.values())}))
        panels[-1].set_xlabel(_time_label(last), loc="left")  # because the legend is on the right
        key = [Patch(color=light(_WAIT), label="the sender waits")]
        figure.legend(handles=key, loc="lower right", borderpad=0, borderaxespad=0.4)


def attempts(mails: Mapping[str, Sequence[Try]], title: str, *, shown: bool | None = True) -> None:
    """Show each try to deliver a mail, and the kind of the server's answer, a row a mail.

    A try is the seconds after which it was answered, and the answer's code, such as 250 or 451.
    """
    check_dict("mails", mails, Sequence)
    tries = [one for row in mails.values() for one in row]
    check_positive("mails", [when for when, _ in tries], zero=True)
    for _, code in tries:
        check_kind("mails", [code], int)
        if code // 100 not in _ANSWERS:
            raise ValueError(f"mails: expected codes 2xx, 4xx and 5xx, got {code}")
    last = max(1e-9, *(when for when, _ in tries))
    size = UNITS[unit(last)]
    alt = " ".join(_tries_in_words(name, row) for name, row in mails.items())
    rows, beside = 0.3 * len(mails), 1.3
    with picture(title, alt, rows + beside, shown=shown) as figure:
        axes = figure.subplots()
        axes.set_xlabel(_time_label(last))
        named = list(enumerate(mails))
        if fit(figure, [rows], beside)[0] < 0.2 * len(mails):
            named = [named[0], named[-1]]  # there is no room for more
        axes.set_yticks([row for row, _ in named], [name for _, name in named])
        axes.grid(False, axis="y")
        axes.set(xlim=(-0.01 * last / size, 1.02 * last / size), ylim=(len(mails) - 0.5, -0.5))
        for row, answers in enumerate(mails.values()):
            times = [when / size for when, _ in answers]
            axes.hlines(row, min(times, default=0), max(times, default=0), color="#BBBBBB", zorder=1)
        _draw_answers(axes, mails, size)


def _time_label(last: float) -> str:
    return f"time in {unit(last)}, since all mails were written"


def _draw_answers(axes: Axes, mails: Mapping[str, Sequence[Try]], size: float) -> None:
    """Draw the answers of each kind, and explain the kinds that there are."""
    for digit, (meaning, look) in _ANSWERS.items():
        found = [
            (when / size, row)
            for row, answers in enumerate(mails.values())
            for when, code in answers
            if code // 100 == digit
        ]
        if found:
            x, y = zip(*found, strict=True)
            axes.plot(x, y, look.marker, color=look.color, mec="white", label=meaning, clip_on=False)
    above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    axes.legend(ncols=3, handletextpad=0.1, columnspacing=1, **above)


def _arrivals_in_words(name: str, waited: float, times: Sequence[float]) -> str:
    first, last = (human(pick(times)) for pick in (min, max)) if times else ("", "")
    arrived = f"{count(len(times), 'mail')} arrived" + (f", between {first} and {last}" if times else "")
    return f"{name}: the sender waited {human(waited)}; {arrived}."


def _tries_in_words(name: str, answers: Sequence[Try]) -> str:
    return f"{name}: {', '.join(f'{code} after {human(when)}' for when, code in answers) or 'no try'}."
