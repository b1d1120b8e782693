"""How everything looks, and how a picture is shown.

Colour, marker and line of a way are the same in every picture; each alone tells the ways apart, so that a
grey print and a colour-blind reader lose nothing.
"""

import io
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from textwrap import fill
from typing import Any, NamedTuple

from IPython.display import display
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke


class Look(NamedTuple):
    """How a way looks in every picture: colour, marker, style of line."""

    color: str
    marker: str
    line: str


LOOKS = {
    "serial": Look("#4D4D4D", "o", "-"),
    "threads": Look("#E69F00", "s", "--"),
    "processes": Look("#0072B2", "^", "-"),
    "asyncio": Look("#009E73", "D", "-."),
    "interpreters": Look("#CC79A7", "v", ":"),
    "fork": Look("#56B4E9", "<", "-"),
    "forkserver": Look("#0072B2", ">", "--"),
    "spawn": Look("#003B5C", "P", "-."),
}
"""Colours of Okabe and Ito, which the colour-blind tell apart; the start methods of processes are blues."""

FURTHER = (Look("#D55E00", "X", "-"), Look("#999933", "p", "--"), Look("#882255", "*", "-."))
"""For names without a look of their own, in the order in which they appear in a picture."""

GREY, RED = "#595959", "#B00020"
HALO = [
    withStroke(linewidth=3, foreground="white", joinstyle="round")
]  # keeps text readable on lines and blocks

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same on every computer
    "font.size": 14,
    "axes.titlesize": 15,
    "figure.titlesize": 16,
    "figure.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "hatch.linewidth": 2,
    "lines.linewidth": 3,
    "lines.markersize": 12,
    "legend.frameon": False,
}
_WIDTH, _DPI = 9, 100  # inches, pixels an inch; drawn with twice as many to be sharp


@contextmanager
def picture(title: str, alt: str, height: float) -> Iterator[Figure]:
    """Hand out an empty figure, ``height`` inches high beside its title, and show what was drawn in it."""
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"title: expected the finding as a sentence, got {title!r}")
    lines = fill(title, 64).splitlines()
    with style.context(_STYLE, after_reset=True):  # whatever style the reader has set
        figure = Figure(figsize=(_WIDTH, height + 0.35 * len(lines)), layout="constrained")
        figure.suptitle("\n".join(lines), x=0.01, ha="left")
        yield figure
        _show(figure, title, alt)


def _show(figure: Figure, title: str, alt: str) -> None:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=2 * _DPI)
    width, height = (round(inches * _DPI) for inches in figure.get_size_inches())
    sentence = title if title.endswith((".", "?", "!")) else f"{title}."
    display(  # type: ignore[no-untyped-call]
        {"image/png": b64encode(png.getvalue()).decode(), "text/plain": f"picture: {title}"},
        raw=True,
        metadata={"image/png": {"alt": f"{sentence} {alt}", "width": width, "height": height}},
    )


def mark(axes: Axes, x: float, label: str, level: int = 0) -> None:
    """Draw a vertical line with its label above the axes; a higher level keeps labels of neighbours apart."""
    side = "left" if x < sum(axes.get_xlim()) / 2 else "right"  # so that the label does not leave the axes
    leader = {"arrowstyle": "-", "linewidth": 2, "shrinkA": 0, "shrinkB": 0, "relpos": (side == "right", 0)}
    axes.axvline(x, color="black", linewidth=2)
    offset = (0, 8 + 21 * level)
    note(
        axes, label, (x, 1), offset, ("data", "axes fraction"), ha=side, arrowprops=leader, path_effects=HALO
    )


def note(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    units: Any = "data",
    **look: Any,
) -> None:
    """Write a text at a place, in ``units`` of matplotlib's, moved by an offset in points."""
    axes.annotate(text, place, offset, units, "offset points", **look)


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return the look of each name."""
    further = cycle(FURTHER)
    return {name: LOOKS.get(name) or next(further) for name in dict.fromkeys(names)}


def mix(color: str, other: str, share: float) -> str:
    """Return a colour with a share, 0 to 1, of another one in it."""
    red, green, blue = (
        a * (1 - share) + b * share for a, b in zip(to_rgb(color), to_rgb(other), strict=True)
    )
    return to_hex((red, green, blue))


def ink(color: str) -> str:
    """Return the colour of text that is readable on a colour: white on dark ones, black on light ones."""
    red, green, blue = to_rgb(color)
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
