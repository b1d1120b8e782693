"""Pictures of speed-ups: how many times as fast as serial some workers are, and how many they could be."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers import show
from helpers.charts.style import GREY, HALO, End, label_ends, looks, mark, mix, note, picture
from helpers.charts.words import check_kind, check_positive, count, short

if TYPE_CHECKING:
    from helpers.measure import Speedup


def speedups(points: Sequence["Speedup"], title: str, *, cores: int, shown: bool | None = True) -> None:
    """Show how many times as fast as serial each way is with so many workers: medians, and their ranges.

    The dashed line is the ideal, n workers n times as fast; the vertical one is at this computer's cores.
    """
    _check_points(points)
    check_positive("cores", [cores])
    with picture(title, f"{_story(points)} For comparison, {_known(cores)}.", 4.8, shown=shown) as figure:
        axes, ends = _draw_speedups(figure, points, cores)
        label_ends(axes, ends)


def amdahl(
    points: Sequence["Speedup"], serial_share: float, title: str, *, cores: int, shown: bool | None = True
) -> None:
    """Show measured speed-ups, and over them the most that Amdahl's law allows, as a thin black curve.

    With a share s, 0 to 1, of the work that only one worker can do, n workers are at most
    1 / (s + (1 - s) / n) times as fast (Amdahl, "Validity of the single processor approach to achieving
    large scale computing capabilities", 1967).
    """
    _check_points(points)
    check_positive("cores", [cores])
    check_kind("serial_share", [serial_share], float | int)
    if not 0 <= serial_share <= 1:
        raise ValueError(f"serial_share: expected 0 to 1, got {show.short(serial_share)}")
    law = f"Amdahl's law with {100 * serial_share:.2g}% serial"
    with picture(title, " ".join(_law_story(points, serial_share, law, cores)), 4.8, shown=shown) as figure:
        axes, ends = _draw_speedups(figure, points, cores)
        most = max(p.workers for p in points)
        workers = [1 + (most - 1) * step / 200 for step in range(201)]
        bounds = [_at_most(serial_share, n) for n in workers]
        axes.plot(workers, bounds, color="black", linewidth=2, zorder=1)
        label_ends(axes, [*ends, (law, most, bounds[-1], "black")])


def scaling(
    points: Sequence["Speedup"],
    title: str,
    *,
    limit: float | None = None,
    limit_label: str = "limit",
    shown: bool | None = True,
) -> None:
    """Show the same for many workers, on axes on which each step doubles; ``limit`` is a line across."""
    _check_points(points)
    if limit is not None:
        check_positive("limit", [limit])
    alt = _story(points) if limit is None else f"{_story(points)} {limit_label}: a line at {short(limit)}."
    most = max(p.workers for p in points)
    bottom = min(1, *(p.low for p in points))
    top = max(most, limit or 0, *(p.high for p in points))
    with picture(title, alt, 5.2, shown=shown) as figure:
        axes = figure.subplots()
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set(xlim=(1 / 1.2, most * 1.06), ylim=(bottom / 1.2, top * 1.2))
        axes.set(xlabel="workers", ylabel="times as fast as serial")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        ends = [*_draw_lines(axes, points), _draw_ideal(axes, 1, most)]
        if limit is not None:
            axes.axhline(limit, color="black", linestyle=":")
            note(axes, limit_label, (1, limit), (0, 6), path_effects=HALO)
        label_ends(axes, ends)


def _check_points(points: Sequence["Speedup"]) -> None:
    if not isinstance(points, Sequence):
        raise TypeError(f"points: expected a list of Speedup, got {show.short(points)}")
    if not points:
        raise ValueError("points: expected at least one Speedup, got none")
    for point in points:
        if not hasattr(point, "ratios"):
            raise TypeError(f"points: expected Speedup, got {show.short(point)}")
        check_positive("points", point.ratios)
        check_positive("points", [point.workers])


def _at_most(serial_share: float, workers: float) -> float:
    return 1 / (serial_share + (1 - serial_share) / workers)


def _known(cores: int) -> str:
    return f"this computer has {count(cores, 'core')}"


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


def _law_story(points: Sequence["Speedup"], serial_share: float, law: str, cores: int) -> list[str]:
    workers = sorted({p.workers for p in points})
    bounds = [f"{short(_at_most(serial_share, n))} with {count(n, 'worker')}" for n in workers]
    return [_story(points), f"{law}: at most {', '.join(bounds)}.", f"For comparison, {_known(cores)}."]


def _draw_speedups(figure: Figure, points: Sequence["Speedup"], cores: int) -> tuple[Axes, list[End]]:
    """Draw the speed-ups, the ideal and the cores; return the axes, and the lines' ends to be labelled."""
    most, fastest = max(p.workers for p in points), max(p.high for p in points)
    reach = min(most, 2 * fastest)  # an ideal far above the data would press them flat
    near = cores <= 2 * most  # and so would a line far to the right of them
    axes = figure.subplots()
    axes.set(xlabel=f"workers ({_known(cores)})", ylabel="times as fast as serial")
    axes.set(xlim=(0, 1.03 * max(most, cores if near else 0)), ylim=(0, 1.05 * max(reach, fastest)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if near:
        mark(axes, cores, "cores of this computer")
    return axes, [*_draw_lines(axes, points), _draw_ideal(axes, 0, reach)]


def _draw_lines(axes: Axes, points: Sequence["Speedup"]) -> list[End]:
    """Draw a line for each way, and return the lines' ends."""
    ends: list[End] = []
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


def _draw_ideal(axes: Axes, least: float, most: float) -> End:
    axes.plot([least, most], [least, most], "--", color=GREY, linewidth=2, zorder=1)
    return "ideal", most, most, GREY
