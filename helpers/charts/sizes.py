"""Pictures of lines over the size of something, on logarithmic axes: of a job, and of a task's payload."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from helpers.charts.style import End, label_ends, looks, mark, mix, picture
from helpers.charts.words import check_dict, check_kind, check_length, check_positive, data, human, tick


def crossing(
    sizes: Sequence[float],
    times: dict[str, Sequence[float]],
    title: str,
    *,
    crossing: float | None = None,
    shown: bool | None = True,
) -> None:
    """Show how long all jobs take by each way, against how long one of them takes; both logarithmic.

    ``sizes`` are the seconds of one job, and ``times`` holds for each way the seconds of all jobs of each
    size. ``crossing`` is the size, in seconds, at which two lines cross, and becomes a vertical line.
    """
    marks = [] if crossing is None else [crossing]
    _check(sizes, times=times)
    check_positive("crossing", marks or [1])
    alt = _story("The time of all jobs.", sizes, times, lambda size: f"jobs of {human(size)}", human)
    alt += "".join(f" They cross at {human(size)} a job." for size in marks)
    with picture(title, alt, 4.8, shown=shown) as figure:
        axes = figure.subplots()
        axes.set(xlabel="time of one job", ylabel="time of all jobs")
        _scale(axes, "x", [*sizes, *marks], tick)
        _scale(axes, "y", [second for seconds in times.values() for second in seconds], tick)
        ends = _draw(axes, sizes, times)
        for size in marks:
            mark(axes, size, f"they cross at {human(size)} a job")
        label_ends(axes, ends)


def payloads(
    sizes: Sequence[float],
    tasks: dict[str, Sequence[float]],
    times: dict[str, Sequence[float]],
    title: str,
    *,
    shown: bool | None = True,
) -> None:
    """Show what it takes to send a file by each way: what passes on the line for a task, and its time.

    ``sizes`` are the files' bytes. For each way, ``tasks`` holds the bytes that pass for each size, and
    ``times`` the seconds until its result has come.
    """
    _check(sizes, tasks=tasks, times=times)
    alt = f"{_story('The data on the line.', sizes, tasks, data, data)} "
    alt += _story("The time until the result has come.", sizes, times, data, human)
    with picture(title, alt, 5.8, shown=shown) as figure:
        upper, lower = figure.subplots(2, sharex=True)
        for axes, lines, label, write in (
            (upper, tasks, "data on the line", data),
            (lower, times, "time of the task", tick),
        ):
            axes.set_ylabel(label)
            _scale(axes, "y", [number for line in lines.values() for number in line], write)
            _scale(axes, "x", sizes, data)
            label_ends(axes, _draw(axes, sizes, lines))
        lower.set_xlabel("size of the file")


def _scale(axes: Axes, name: str, numbers: Sequence[float], write: Callable[[float], str]) -> None:
    """Make the axis "x" or "y" logarithmic, with room around the numbers and two powers of ten to label."""
    room = max(1.6, (max(numbers) / min(numbers)) ** 0.07)
    low, high = min(numbers) / room, max(numbers) * room
    if math.floor(math.log10(high)) <= math.ceil(math.log10(low)):
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
    scale: dict[str, Any] = {f"{name}scale": "log", f"{name}lim": (low, high)}
    axes.set(**scale)
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(numticks=8))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def _draw(axes: Axes, sizes: Sequence[float], lines: dict[str, Sequence[float]]) -> list[End]:
    """Draw a line for each way, and return the lines' ends."""
    ends: list[End] = []
    for way, look in looks(lines).items():
        line = sorted(zip(sizes, lines[way], strict=True))
        x, y = zip(*line, strict=True)
        axes.plot(x, y, color=look.color, marker=look.marker, ls=look.line, mec="white")
        ends.append((way, x[-1], y[-1], mix(look.color, "black", 0.3)))
    return ends


def _story(
    what: str,
    sizes: Sequence[float],
    lines: dict[str, Sequence[float]],
    write_size: Callable[[float], str],
    write: Callable[[float], str],
) -> str:
    """Say in words what the lines show."""
    for way, line in lines.items():
        figures = [f"{write(y)} with {write_size(x)}" for x, y in zip(sizes, line, strict=True)]
        what += f" {way}: {', '.join(figures)}."
    return what


def _check(sizes: Sequence[float], **dicts: dict[str, Sequence[float]]) -> None:
    check_kind("sizes", [sizes], Sequence)
    check_positive("sizes", sizes)
    for name, lines in dicts.items():
        check_dict(name, lines, Sequence)
        for way, line in lines.items():
            check_length(f"{name}[{way!r}]", line, len(sizes))
            check_positive(f"{name}[{way!r}]", line)
