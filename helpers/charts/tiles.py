"""A picture of tiles: all that the tutorial says at a glance, each part coloured by its verdict."""

import math

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from helpers import show
from helpers.charts.style import ink, picture
from helpers.charts.words import check_dict, count

_LOOKS = {
    "holds": ("#0072B2", ""),
    "holds, but": ("#E69F00", ""),
    "cannot be shown here": ("#D9D9D9", "//"),
    "does not hold": ("#882255", ""),
    "is not confirmed by this run": ("#882255", "xx"),
    "is not decided on this computer now": ("#D9D9D9", ".."),
    "open": ("#FFFFFF", ""),
    "opinion": ("#CFCFCF", ""),
}
"""Colour and hatch of each verdict; blue, orange, pale grey and purple differ in brightness too."""

_ACROSS = 7


def verdicts(outcomes: dict[str, tuple[str, int]], title: str, *, shown: bool | None = True) -> None:
    """Show a tile for each part. ``outcomes`` holds its verdict, and of how many claims that is made.

    Raises ValueError for a verdict that ``claims`` does not know, "open" and "opinion" aside.
    """
    check_dict("outcomes", outcomes, tuple)
    for number, (outcome, _) in outcomes.items():
        if outcome not in _LOOKS:
            raise ValueError(
                f"outcomes[{number!r}]: expected one of {', '.join(_LOOKS)}, got {show.short(outcome)}"
            )
    lines = math.ceil(len(outcomes) / _ACROSS)
    alt = " ".join(f"{name} {words}, {count(n, 'claim')}." for name, (words, n) in outcomes.items())
    with picture(title, alt, 0.5 + 0.85 * lines, shown=shown) as figure:
        axes = figure.subplots()
        axes.set(xlim=(0, _ACROSS), ylim=(lines, 0))
        axes.axis("off")
        for place, (name, (outcome, claims)) in enumerate(outcomes.items()):
            _draw(axes, place, name, outcome, count(claims, "claim"))
        used = [outcome for outcome in _LOOKS if outcome in {words for words, _ in outcomes.values()}]
        keys = [Patch(facecolor=_LOOKS[o][0], hatch=_LOOKS[o][1], edgecolor="#595959", label=o) for o in used]
        figure.legend(handles=keys, loc="outside lower left", ncols=len(used))


def _draw(axes: Axes, place: int, name: str, outcome: str, claims: str) -> None:
    color, hatch = _LOOKS[outcome]
    x, y = place % _ACROSS, place // _ACROSS
    axes.add_patch(
        Rectangle((x + 0.03, y + 0.04), 0.94, 0.92, facecolor=color, hatch=hatch, edgecolor="#595959")
    )
    axes.text(x + 0.1, y + 0.4, name, size=22, weight="bold", va="center", color=ink(color))
    axes.text(x + 0.1, y + 0.76, claims, size=13, va="center", color=ink(color))
