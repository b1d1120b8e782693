"""Pictures of amounts: what things cost, how large they are, and tasks a second.

An amount is a bar from 0. On a logarithmic axis, which has no 0, it is a dot.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from helpers.charts.style import GREY, HALO, LOOKS, color_of, look_of, looks, note, picture
from helpers.charts.words import check_dict, check_positive, compact, count, human, plain, short, tick

_ACROSS = 3  # panels side by side, at most
_FAR = 30  # times the smallest amount: a bar so much longer leaves nothing to see of the smallest one


def costs(
    costs: dict[str, Sequence[float]], title: str, *, unit_label: str = "time", shown: bool | None = True
) -> None:
    """Show what things cost, cheapest on top: medians as dots on a logarithmic axis, ranges as lines."""
    check_dict("costs", costs, Sequence)
    for name, seconds in costs.items():
        check_positive(f"costs[{name!r}]", seconds)
    rows = dict(sorted(costs.items(), key=lambda item: median(item[1])))
    alt = " ".join(f"{n}: {human(median(v))} ({human(min(v))} to {human(max(v))})." for n, v in rows.items())
    with picture(title, f"Medians and ranges. {alt}", 1.0 + 0.6 * len(rows), shown=shown) as figure:
        axes = figure.subplots()
        axes.set_xlabel(f"{unit_label}, on a logarithmic scale")
        _draw_dots(axes, rows, tick, human)


def bars(
    values: dict[str, Sequence[float] | float], title: str, *, axis: str, shown: bool | None = True
) -> None:
    """Show how large things are, in the order given: medians as bars from 0, ranges as lines.

    Where one is so small that its bar could not be seen, they are dots on a logarithmic axis, if none is 0.
    ``axis`` says what is measured, and in which unit: "memory of an idle worker (MB)".
    """
    check_dict("values", values, Sequence | float | int)
    rows = {name: value if isinstance(value, Sequence) else [value] for name, value in values.items()}
    for name, numbers in rows.items():
        check_positive(f"values[{name!r}]", numbers, zero=True)
    least, most = (pick(pick(numbers) for numbers in rows.values()) for pick in (min, max))
    alt = " ".join(f"{name}: {_in_words(numbers)}." for name, numbers in rows.items())
    with picture(title, f"{axis}. {alt}", 1.0 + 0.6 * len(rows), shown=shown) as figure:
        axes = figure.subplots()
        if 0 < _FAR * least < most:
            axes.set_xlabel(f"{axis}, on a logarithmic scale")
            _draw_dots(axes, rows, plain, short)
            return
        axes.set(xlim=(0, most or 1), xlabel=axis)
        axes.xaxis.set_major_formatter("{x:,.10g}")
        _name_rows(axes, list(rows))
        for row, (name, numbers) in enumerate(rows.items()):
            _draw_row(axes, row, numbers, short(median(numbers)), color_of(name))


def panels(rows: dict[str, Mapping[str, float | None]], title: str, *, shown: bool | None = True) -> None:
    """Show several quantities of a few things, a panel a quantity, a bar a thing, each from 0.

    ``rows`` holds for each thing its quantities, named with their units: {"threaded": {"requests per
    second": 812.0}}. The names label the panels' axes. A quantity that is None or missing
    is said not to be known.
    """
    check_dict("rows", rows, Mapping)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    if not names:
        raise ValueError("rows: expected at least one quantity, got none")
    columns = {name: [row.get(name) for row in rows.values()] for name in names}
    for name, numbers in columns.items():
        check_positive(f"rows, {name!r}", [0, *(n for n in numbers if n is not None)], zero=True)
    lines = math.ceil(len(columns) / _ACROSS)
    across = math.ceil(len(columns) / lines)
    with picture(title, _panels_story(rows, names), lines * (0.9 + 0.5 * len(rows)), shown=shown) as figure:
        grid = figure.subplots(lines, across, sharey=True, squeeze=False).flat
        for (name, numbers), axes in zip(columns.items(), grid, strict=False):
            axes.set_xlabel(fill(name, 66 // across))
            _name_rows(axes, list(rows))
            _draw_panel(axes, numbers, [look.color for look in looks(rows).values()])
        for axes in grid:  # those that are left over
            axes.remove()


def throughput(
    rates: dict[int, float],
    title: str,
    *,
    ceilings: dict[int, float] | None = None,
    shown: bool | None = True,
) -> None:
    """Show tasks per second against workers; the dashed bars are n times the rate of one worker.

    ``ceilings`` are the tasks per second, by the same numbers of workers, that one core of the master's is
    enough for, and become a line above each bar.
    """
    check_dict("rates", rates, float | int)
    check_positive("rates", [*rates, *rates.values()])
    ceilings = ceilings or {}
    if not ceilings.keys() <= rates.keys():
        raise ValueError(f"ceilings: expected numbers of workers of rates, got {sorted(ceilings)}")
    check_positive("ceilings", [1, *ceilings.values()])
    workers = sorted(rates)
    values = [rates[n] for n in workers]
    ideal = [values[0] * n / workers[0] for n in workers]
    alt = " ".join(f"{count(n, 'worker')}: {short(rates[n])} tasks per second." for n in workers)
    alt += "".join(
        f" With {count(n, 'worker')}, one core of the master's is enough for {short(rate)}."
        for n, rate in sorted(ceilings.items())
    )
    top = min(1.1 * max(values + ideal), 2 * max(values))  # an ideal far above the data would press them flat
    top = max([top, *(1.15 * rate for rate in ceilings.values())])
    with picture(title, alt, 4.6, shown=shown) as figure:
        axes = figure.subplots()
        axes.set(xlabel="workers", ylabel="tasks per second", ylim=(0, top))
        axes.set_xlim(-0.6, max(len(values), 2) - 0.4)
        axes.yaxis.set_major_formatter("{x:,.10g}")
        axes.set_xticks(range(len(workers)), [str(n) for n in workers])
        axes.grid(False, axis="x")
        axes.bar(range(len(workers)), values, 0.8, color=LOOKS["processes"].color)
        axes.bar(range(len(workers)), ideal, 0.8, fill=False, edgecolor=GREY, linestyle="--", linewidth=2)
        for x, n in enumerate(workers):
            if n in ceilings:
                axes.hlines(ceilings[n], x - 0.4, x + 0.4, color="black", linewidth=3)
        if ceilings:
            place = (workers.index(min(ceilings)) - 0.4, max(ceilings.values()))
            text = "one core of the master's, always busy"
            note(axes, text, place, (0, 6), ha="left", weight="bold", path_effects=HALO)
        for x, value in enumerate(values):
            _write_rate(axes, x, value, inside=value > 0.12 * top)
        if len(values) > 1:
            place = (len(values) - 1, min(max(ideal[-1], values[-1]), top))
            note(axes, "ideal", place, (0, 4), ha="center", color=GREY, weight="bold")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Make a row for each name, the first on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [fill(name, 24) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")


def _draw_row(axes: Axes, row: int, numbers: Sequence[float], text: str, color: str) -> None:
    """Draw the median as a bar from 0, the range as a line, and a text beside them."""
    axes.barh(row, median(numbers), 0.7, color=color)
    _draw_range(axes, row, numbers, text)


def _draw_dots(
    axes: Axes,
    rows: Mapping[str, Sequence[float]],
    write_tick: Callable[[float], str],
    write: Callable[[float], str],
) -> None:
    """Draw a row for each name, on a logarithmic axis: the median as a dot, the range as a line, a text."""
    every = [number for numbers in rows.values() for number in numbers]
    left = 10.0 ** math.floor(math.log10(min(every) / 1.5))
    right = 10.0 ** math.ceil(math.log10(max(every)))
    axes.set(xscale="log", xlim=(left, right))
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: write_tick(value)))
    _name_rows(axes, list(rows))
    axes.grid(True, axis="y")  # leads from a name to its dot
    for row, (name, numbers) in enumerate(rows.items()):
        _draw_range(axes, row, numbers, write(median(numbers)))
        marker = look.marker if (look := look_of(name)) else "o"
        axes.plot(
            median(numbers), row, marker, color=color_of(name), mec="white", markersize=17, clip_on=False
        )


def _draw_range(axes: Axes, row: int, numbers: Sequence[float], text: str) -> None:
    axes.hlines(row, min(numbers), max(numbers), color="black", linewidth=2, path_effects=HALO)
    note(axes, text, (max(numbers), row), (12, 0), va="center", weight="bold", path_effects=HALO)


def _draw_panel(axes: Axes, numbers: Sequence[float | None], colors: Sequence[str]) -> None:
    axes.set_xlim(0, max((n for n in numbers if n is not None), default=0) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    for row, (number, color) in enumerate(zip(numbers, colors, strict=True)):
        if number is None:
            note(axes, "not known", (0, row), (8, 0), va="center", color=GREY)
        else:
            _draw_row(axes, row, [number], compact(number), color)


def _write_rate(axes: Axes, x: int, rate: float, *, inside: bool) -> None:
    look: dict[str, Any] = (
        {"color": "white", "va": "top"} if inside else {"va": "bottom", "path_effects": HALO}
    )
    offset = (0, -6 if inside else 4)
    note(axes, compact(rate), (x, rate), offset, ha="center", **look)


def _in_words(numbers: Sequence[float]) -> str:
    range_ = f" ({short(min(numbers))} to {short(max(numbers))})" if len(numbers) > 1 else ""
    return f"{short(median(numbers))}{range_}"


def _panels_story(rows: dict[str, Mapping[str, float | None]], names: Sequence[str]) -> str:
    lines = []
    for thing, row in rows.items():
        values = {name: row.get(name) for name in names}
        figures = [f"{name}: {'not known' if n is None else short(n)}" for name, n in values.items()]
        lines.append(f"{thing}. {'; '.join(figures)}.")
    return " ".join(lines)
