"""How everything looks, and how a picture is shown.

Colour, marker and line of a way are the same in every picture; each alone tells the ways apart, so that a
grey print and a colour-blind reader lose nothing.
"""

import io
import math
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from itertools import cycle
from textwrap import fill
from typing import Any, NamedTuple

from IPython.display import display
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from helpers import show


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
    "pre-fork": Look("#0072B2", "^", "-"),
    "threaded": Look("#E69F00", "s", "--"),
}
"""Colours of Okabe and Ito, which the colour-blind tell apart; the start methods of processes are blues,
and servers look like the workers that they are made of."""

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
_MOST = 6.8  # inches: a taller picture would not be seen as a whole in a notebook's pane
_LINE = 0.35  # inches of a line of the title


_drawing = threading.RLock()  # matplotlib has one style for all threads, and a lab draws in its own
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextmanager
def picture(
    title: str, alt: str, height: float, *, shown: bool | None = True, **place: Any
) -> Iterator[Figure]:
    """Hand out an empty figure, ``height`` inches high beside its title, and show what was drawn in it.

    It is less high where it would not fit a notebook's pane; ``fit`` tells how its parts can share that.
    ``shown`` says whether this run shows what the title says, with None for what it could not decide. If it
    does not, the title says so, for whoever sees the picture and for whoever hears its alt text.
    ``place`` is for IPython's ``display``: ``display_id`` and ``update``, to show it in another's place.
    """
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"title: expected the finding as a sentence, got {show.short(title)}")
    if shown is not None and shown not in (True, False):
        raise TypeError(f"shown: expected True, False, or None for undecided, got {show.short(shown)}")
    if not shown:
        title = f"Not {'decided' if shown is None else 'shown'} by this run: {title}"
    lines = fill(title, 64).splitlines()
    with _drawing, style.context(_STYLE, after_reset=True):  # whatever style the reader has set
        tall = min(height + _LINE * len(lines), _MOST)
        figure = Figure(figsize=(_WIDTH, tall), layout="constrained")
        figure.suptitle("\n".join(lines), x=0.01, ha="left")
        try:
            yield figure
            _show(figure, title, alt, **place)
        except KeyboardInterrupt:
            # Whoever stops a picture does not want to see all of matplotlib that was at work.
            raise KeyboardInterrupt("the drawing of a picture was interrupted") from None


def _show(figure: Figure, title: str, alt: str, **place: Any) -> None:
    """Show a figure as HTML: the alt text of an output that is image/png reaches no screen reader."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=2 * _DPI)
    width, height = (round(inches * _DPI) for inches in figure.get_size_inches())
    sentence = title if title.endswith((".", "?", "!")) else f"{title}."
    image = (
        f'<img src="data:image/png;base64,{b64encode(png.getvalue()).decode()}"'
        f' alt="{escape(f"{sentence} {alt}")}" width="{width}" height="{height}"'
        ' style="max-width: 100%; height: auto">'
    )
    if (collected := _collected.get()) is not None:
        collected.append(image)
        return
    display({"text/html": image, "text/plain": f"picture: {title}"}, raw=True, **place)  # type: ignore[no-untyped-call]


@contextmanager
def collect() -> Iterator[list[str]]:
    """Collect the pictures that are drawn in the block, as HTML, in the place of showing them; for labs."""
    pictures: list[str] = []
    token = _collected.set(pictures)
    try:
        yield pictures
    finally:
        _collected.reset(token)


def fit(figure: Figure, heights: Sequence[float], beside: float) -> list[float]:
    """Return the inches that a figure has for each of its parts, if they ask for these heights.

    The title and ``beside`` inches, for axes and the like, come first. If too little is left, the
    highest give.
    """
    left = figure.get_size_inches()[1] - _LINE * (1 + figure.get_suptitle().count("\n")) - beside
    cap, given = max(heights), list(heights)
    while sum(given) > left + 1e-6 and cap > 0.1:
        cap *= 0.98
        given = [min(height, cap) for height in heights]
    return given


def mark(axes: Axes, x: float, label: str, level: int = 0) -> None:
    """Draw a vertical line with its label above the axes; a higher level keeps labels of neighbours apart."""
    to_share = axes.get_xaxis_transform() + axes.transAxes.inverted()
    side = "left" if to_share.transform((x, 0))[0] < 0.5 else "right"  # so the label does not leave the axes
    leader = {"arrowstyle": "-", "linewidth": 2, "shrinkA": 0, "shrinkB": 0, "relpos": (side == "right", 0)}
    axes.axvline(x, color="black", linewidth=2, zorder=1.5)  # over blocks, under lines and their markers
    text: dict[str, Any] = {"ha": side, "arrowprops": leader, "path_effects": HALO}
    note(axes, label, (x, 1), (0, 8 + 21 * level), ("data", "axes fraction"), **text)


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


End = tuple[str, float, float, str]  # a line's label, where the line ends (x, y), and its colour


def label_ends(axes: Axes, ends: list[End]) -> None:
    """Write each label beside its line's end, and push labels apart that would overlap."""
    axes.autoscale_view()  # settles the limits, if they are not set yet
    free = -math.inf  # the lowest place without a label yet, as a share of the axes' height
    to_share = axes.transData + axes.transAxes.inverted()
    inches = axes.bbox.height / axes.figure.dpi
    for label, x, y, color in sorted(ends, key=lambda end: end[2]):
        label = fill(label, 16)
        half = 0.145 * (1 + label.count("\n")) / inches  # of the label's height
        share = max(to_share.transform((x, y))[1], free + half)
        text: dict[str, Any] = {"va": "center", "color": color, "weight": "bold", "path_effects": HALO}
        note(axes, label, (x, share), (12, 0), ("data", "axes fraction"), **text)
        free = share + half


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return the look of each name."""
    further = cycle(FURTHER)
    return {name: LOOKS.get(name) or next(further) for name in dict.fromkeys(names)}


def look_of(name: str) -> Look | None:
    """Return the look of what is named after its way, as "thread" or "thread, idle" is after "threads"."""
    name = name.split(",")[0]
    return next((LOOKS[way] for way in (name, f"{name}s", f"{name}es") if way in LOOKS), None)


def color_of(name: str) -> str:
    """Return the colour of what is named after its way, else a grey."""
    look = look_of(name)
    return look.color if look else "#999999"


def mix(color: str, other: str, share: float) -> str:
    """Return a colour with a share, 0 to 1, of another one in it."""
    red, green, blue = (
        a * (1 - share) + b * share for a, b in zip(to_rgb(color), to_rgb(other), strict=True)
    )
    return to_hex((red, green, blue))


def light(color: str) -> str:
    """Return the colour of a block that waits."""
    return mix(color, "white", 0.7)


def ink(color: str) -> str:
    """Return the colour of text that is readable on a colour: white on dark ones, black on light ones."""
    red, green, blue = to_rgb(color)
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
