"""Pictures of lines: from which size of a job a way pays, and what too many processes cost."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from helpers.charts.style import HALO, LOOKS, End, label_ends, looks, mark, mix, note, picture
from helpers.charts.words import (
    check_dict,
    check_kind,
    check_length,
    check_positive,
    compact,
    count,
    human,
    plain,
    short,
    tick,
)


def crossing(
    sizes: Sequence[float], times: dict[str, Sequence[float]], title: str, *, crossing: float | None = None
) -> None:
    """Show how long all jobs take by each way, against how long one of them takes; both logarithmic.

    ``sizes`` are the seconds of one job, and ``times`` holds for each way the seconds of all jobs of each
    size. ``crossing`` is the size, in seconds, at which two lines cross, and becomes a vertical line.
    """
    marks = [] if crossing is None else [crossing]
    _check_times(sizes, times, marks)
    with picture(title, _crossing_story(sizes, times, marks), 4.8) as figure:
        axes = figure.subplots()
        axes.set(xlabel="time of one job", ylabel="time of all jobs")
        _scale_times(axes, "x", [*sizes, *marks])
        _scale_times(axes, "y", [second for seconds in times.values() for second in seconds])
        ends = _draw_times(axes, sizes, times)
        for size in marks:
            mark(axes, size, f"they cross at {human(size)} a job")
        label_ends(axes, ends)


def switching(
    counts: Sequence[int],
    throughput: Sequence[float],
    switches: Sequence[float | None],
    title: str,
    *,
    cores: int,
) -> None:
    """Show what many processes do to the throughput, and how often the system takes a core away from one.

    ``throughput`` holds the jobs per second (or any other measure of it) with each of the ``counts`` of
    processes; it is shown in per cent of that with as many processes as cores, so ``cores`` must be among
    the counts. ``switches`` are involuntary context switches per second, None where the system does not
    tell; if it never does, only the first panel is drawn.
    """
    _check_counts(counts, throughput, switches, cores)
    base = throughput[counts.index(cores)]
    shares = {n: 100 * rate / base for n, rate in zip(counts, throughput, strict=True)}
    rates = {n: rate for n, rate in zip(counts, switches, strict=True) if rate is not None}
    with picture(title, _switching_story(shares, rates, cores), 5.8 if rates else 3.4) as figure:
        _draw_panels(figure, shares, rates, cores)


def _scale_times(axes: Axes, name: str, seconds: Sequence[float]) -> None:
    """Make the axis "x" or "y" logarithmic, with room around the times and two powers of ten to label."""
    low, high = min(seconds) / 1.6, max(seconds) * 1.6
    if math.floor(math.log10(high)) <= math.ceil(math.log10(low)):
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
    scale: dict[str, Any] = {f"{name}scale": "log", f"{name}lim": (low, high)}
    axes.set(**scale)
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(numticks=8))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def _draw_times(axes: Axes, sizes: Sequence[float], times: dict[str, Sequence[float]]) -> list[End]:
    """Draw a line for each way, and return the lines' ends."""
    ends: list[End] = []
    for way, look in looks(times).items():
        line = sorted(zip(sizes, times[way], strict=True))
        x, y = zip(*line, strict=True)
        axes.plot(x, y, color=look.color, marker=look.marker, ls=look.line, mec="white")
        ends.append((way, x[-1], y[-1], mix(look.color, "black", 0.3)))
    return ends


def _crossing_story(sizes: Sequence[float], times: dict[str, Sequence[float]], marks: list[float]) -> str:
    lines = ["The time of all jobs."]
    for way, seconds in times.items():
        figures = [f"{human(y)} with jobs of {human(x)}" for x, y in zip(sizes, seconds, strict=True)]
        lines.append(f"{way}: {', '.join(figures)}.")
    lines += [f"They cross at {human(size)} a job." for size in marks]
    return " ".join(lines)


def _check_times(sizes: Sequence[float], times: dict[str, Sequence[float]], marks: list[float]) -> None:
    check_kind("sizes", [sizes], Sequence)
    check_positive("sizes", sizes)
    check_dict("times", times, Sequence)
    for way, seconds in times.items():
        check_length(f"times[{way!r}]", seconds, len(sizes))
        check_positive(f"times[{way!r}]", seconds)
    check_positive("crossing", marks or [1])


def _check_counts(
    counts: Sequence[int], throughput: Sequence[float], switches: Sequence[float | None], cores: int
) -> None:
    check_kind("counts", [counts], Sequence)
    check_positive("counts", counts)
    if cores not in counts:
        raise ValueError(f"counts: expected the number of cores, {cores}, among them, got {counts!r}")
    check_length("throughput", throughput, len(counts))
    check_positive("throughput", throughput)
    check_length("switches", switches, len(counts))
    check_positive("switches", [0, *(rate for rate in switches if rate is not None)], zero=True)


def _draw_panels(figure: Figure, shares: dict[int, float], rates: dict[int, float], cores: int) -> None:
    """Draw the throughput, the switches under it if they are known, and the cores in both."""
    figure.subplots(2 if rates else 1, sharex=True)
    first, last = figure.axes[0], figure.axes[-1]
    _draw_counts(first, shares, f"throughput\n(% of that with {cores})", "%")
    first.set_ylim(0, 1.2 * max(shares.values()))
    mark(first, cores, "cores of this computer")
    if rates:
        _draw_counts(last, rates, "involuntary context\nswitches per second", "")
        last.set_yscale("symlog", linthresh=1)  # logarithmic from 1 on, and yet with a place for 0
        last.set_ylim(0, 5 * max(1, *rates.values()))
        last.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        last.axvline(cores, color="black", linewidth=2, zorder=1.5)
    ticks = sorted(shares)[:: 1 + len(shares) // 12]  # so that their labels do not overlap
    last.set_xticks(ticks, [str(n) for n in ticks])
    last.xaxis.set_minor_locator(NullLocator())
    last.set_xlabel("processes")


def _draw_counts(axes: Axes, values: dict[int, float], label: str, unit: str) -> None:
    """Draw a value for each number of processes, and write the last one."""
    x, y = zip(*sorted(values.items()), strict=True)
    color, marker, line = LOOKS["processes"]
    axes.plot(x, y, color=color, marker=marker, ls=line, mec="white", clip_on=False)
    axes.set_xscale("log", base=2)
    axes.set_ylabel(label)
    text = f"{compact(y[-1])}{unit}"
    note(axes, text, (x[-1], y[-1]), (12, 0), va="center", weight="bold", path_effects=HALO)


def _switching_story(shares: dict[int, float], rates: dict[int, float], cores: int) -> str:
    lines = [f"Throughput, compared with {count(cores, 'process', 'processes')}, one a core."]
    lines += [f"{short(share)}% with {n}." for n, share in sorted(shares.items())]
    if rates:
        lines.append("Involuntary context switches per second.")
        lines += [f"{short(rate)} with {n}." for n, rate in sorted(rates.items())]
    else:
        lines.append("This system does not tell how often it takes a core away from a process.")
    return " ".join(lines)
