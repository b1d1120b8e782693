"""Pictures of numbers: speed-up against workers, what things cost, and tasks a second."""

import math
from collections.abc import Sequence
from statistics import median
from textwrap import fill
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from helpers.charts.style import GREY, HALO, LOOKS, looks, mark, mix, note, picture
from helpers.charts.words import check_dict, check_positive, count, human, short, tick

if TYPE_CHECKING:
    from helpers.measure import Speedup

_End = tuple[str, float, float, str]  # a line's label, where the line ends (x, y), and its colour


def speedups(points: Sequence["Speedup"], title: str, *, cores: int) -> None:
    """Show how many times as fast as serial each way is with so many workers: medians, and their ranges.

    The dashed line is the ideal, n workers n times as fast; the vertical one is at this computer's cores.
    """
    _check_points(points)
    check_positive("cores", [cores])
    most, fastest = max(p.workers for p in points), max(p.high for p in points)
    reach = min(most, 2 * fastest)  # an ideal far above the data would press them flat
    near = cores <= 2 * most  # and so would a line far to the right of them
    known = f"this computer has {count(cores, 'core')}"
    with picture(title, f"{_story(points)} For comparison, {known}.", 4.8) as figure:
        axes = figure.subplots()
        axes.set(xlabel=f"workers ({known})", ylabel="times as fast as serial")
        axes.set(xlim=(0, 1.03 * max(most, cores if near else 0)), ylim=(0, 1.05 * max(reach, fastest)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if near:
            mark(axes, cores, "cores of this computer")
        _label_ends(axes, [*_draw_lines(axes, points), _draw_ideal(axes, 0, reach)])


def scaling(
    points: Sequence["Speedup"], title: str, *, limit: float | None = None, limit_label: str = "limit"
) -> None:
    """Show the same for many workers, on axes on which each step doubles; ``limit`` is a line across."""
    _check_points(points)
    if limit is not None:
        check_positive("limit", [limit])
    alt = _story(points) if limit is None else f"{_story(points)} {limit_label}: a line at {short(limit)}."
    most = max(p.workers for p in points)
    bottom = min(1, *(p.low for p in points))
    top = max(most, limit or 0, *(p.high for p in points))
    with picture(title, alt, 5.2) as figure:
        axes = figure.subplots()
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set(xlim=(1 / 1.2, most * 1.06), ylim=(bottom / 1.2, top * 1.2))
        axes.set(xlabel="workers", ylabel="times as fast as serial")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ends = [*_draw_lines(axes, points), _draw_ideal(axes, 1, most)]
        if limit is not None:
            axes.axhline(limit, color="black", linestyle=":")
            note(axes, limit_label, (1, limit), (0, 6), path_effects=HALO)
        _label_ends(axes, ends)


def costs(costs: dict[str, Sequence[float]], title: str, *, unit_label: str = "time") -> None:
    """Show what things cost, cheapest on top: medians as bars on a logarithmic axis, ranges as lines."""
    check_dict("costs", costs, Sequence)
    for name, seconds in costs.items():
        check_positive(f"costs[{name!r}]", seconds)
    rows = sorted(costs.items(), key=lambda item: median(item[1]))
    alt = " ".join(f"{n}: {human(median(v))} ({human(min(v))} to {human(max(v))})." for n, v in rows)
    left = 10.0 ** math.floor(math.log10(min(min(v) for _, v in rows) / 2))
    right = 10.0 ** math.ceil(math.log10(max(max(v) for _, v in rows)))
    with picture(title, f"Medians and ranges. {alt}", 1.0 + 0.6 * len(rows)) as figure:
        axes = figure.subplots()
        axes.set(xscale="log", xlim=(left, right), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xlabel(f"{unit_label}, on a logarithmic scale")
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
        axes.set_yticks(range(len(rows)), [fill(name, 24) for name, _ in rows])
        axes.grid(False, axis="y")
        for row, (name, seconds) in enumerate(rows):
            _draw_cost(axes, row, name, seconds, left)


def throughput(rates: dict[int, float], title: str) -> None:
    """Show tasks per second against workers; the dashed bars are n times the rate of one worker."""
    check_dict("rates", rates, float | int)
    check_positive("rates", [*rates, *rates.values()])
    workers = sorted(rates)
    values = [rates[n] for n in workers]
    ideal = [values[0] * n / workers[0] for n in workers]
    alt = " ".join(f"{count(n, 'worker')}: {short(rates[n])} tasks per second." for n in workers)
    top = min(1.1 * max(values + ideal), 2 * max(values))  # an ideal far above the data would press them flat
    with picture(title, alt, 4.6) as figure:
        axes = figure.subplots()
        axes.set(xlabel="workers", ylabel="tasks per second", ylim=(0, top))
        axes.set_xlim(-0.6, max(len(values), 2) - 0.4)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axes.set_xticks(range(len(workers)), [str(n) for n in workers])
        axes.grid(False, axis="x")
        axes.bar(range(len(workers)), values, 0.8, color=LOOKS["processes"].color)
        axes.bar(range(len(workers)), ideal, 0.8, fill=False, edgecolor=GREY, linestyle="--", linewidth=2)
        for x, value in enumerate(values):
            _write_rate(axes, x, value, inside=value > 0.12 * top)
        if len(values) > 1:
            place = (len(values) - 1, min(max(ideal[-1], values[-1]), top))
            note(axes, "ideal", place, (0, 4), ha="center", color=GREY, weight="bold")


def _draw_cost(axes: Axes, row: int, name: str, seconds: Sequence[float], left: float) -> None:
    """Draw one bar from ``left``, where the axis begins, in the colour of its way if it has one."""
    color = next((LOOKS[way].color for way in (name, f"{name}s", f"{name}es") if way in LOOKS), "#999999")
    axes.barh(row, median(seconds) - left, 0.7, left, color=color)
    axes.hlines(row, min(seconds), max(seconds), color="black", linewidth=2, path_effects=HALO)
    text = human(median(seconds))
    note(axes, text, (max(seconds), row), (8, 0), va="center", weight="bold", path_effects=HALO)


def _write_rate(axes: Axes, x: int, rate: float, *, inside: bool) -> None:
    look: dict[str, Any] = (
        {"color": "white", "va": "top"} if inside else {"va": "bottom", "path_effects": HALO}
    )
    offset = (0, -6 if inside else 4)
    text = short(rate) if rate < 9999.5 else f"{short(rate / 1000)}k"  # as wide as a bar
    note(axes, text, (x, rate), offset, ha="center", **look)


def _check_points(points: Sequence["Speedup"]) -> None:
    if not isinstance(points, Sequence):
        raise TypeError(f"points: expected a list of Speedup, got {points!r}")
    if not points:
        raise ValueError("points: expected at least one Speedup, got none")
    for point in points:
        if not hasattr(point, "ratios"):
            raise TypeError(f"points: expected Speedup, got {point!r}")
        check_positive("points", point.ratios)
        check_positive("points", [point.workers])


def _story(points: Sequence["Speedup"]) -> str:
    """Say in words what a picture of speed-ups shows."""
    lines = ["Times as fast as serial, the median and the range."]
    for way in looks(point.way for point in points):
        figures = [
            f"{short(p.median)} ({short(p.low)} to {short(p.high)}) with {count(p.workers, 'worker')}"
            for p in points
            if p.way == way
        ]
        lines.append(f"{way}: {', '.join(figures)}.")
    return " ".join(lines)


def _draw_lines(axes: Axes, points: Sequence["Speedup"]) -> list[_End]:
    """Draw a line for each way, and return the lines' ends."""
    ends: list[_End] = []
    for way, look in looks(point.way for point in points).items():
        line = sorted((p for p in points if p.way == way), key=lambda p: p.workers)
        x, y = [p.workers for p in line], [p.median for p in line]
        ranges = [[p.median - p.low for p in line], [p.high - p.median for p in line]]
        axes.errorbar(
            x,
            y,
            ranges,
            color=look.color,
            marker=look.marker,
            ls=look.line,
            elinewidth=2,
            capsize=5,
            mec="white",
        )
        ends.append((way, x[-1], y[-1], mix(look.color, "black", 0.3)))
    return ends


def _draw_ideal(axes: Axes, least: float, most: float) -> _End:
    axes.plot([least, most], [least, most], "--", color=GREY, linewidth=2, zorder=1)
    return "ideal", most, most, GREY


def _label_ends(axes: Axes, ends: list[_End]) -> None:
    """Write each label beside its line's end, and push labels apart that would overlap."""
    free = -math.inf  # the lowest place without a label yet, as a share of the axes' height
    to_share = axes.transData + axes.transAxes.inverted()

    for label, x, y, color in sorted(ends, key=lambda end: end[2]):
        label = fill(label, 16)
        half = 0.036 * (1 + label.count("\n"))  # of the label's height
        share = max(to_share.transform((x, y))[1], free + half)
        text: dict[str, Any] = {"va": "center", "color": color, "weight": "bold", "path_effects": HALO}
        note(axes, label, (x, share), (12, 0), ("data", "axes fraction"), **text)
        free = share + half
