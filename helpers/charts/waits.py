"""Pictures of waiting: its share of a fetch, where a crowd's limit is, what a stalled loop misses."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from helpers import show
from helpers.charts.style import GREY, HALO, LOOKS, End, label_ends, light, looks, mark, mix, note, picture
from helpers.charts.words import UNITS, check_dict, check_kind, check_positive, count, human, plain

from helpers.charts.words import short, tick, unit  # isort: skip

_NINES = (0.5, 0.9, 0.99, 0.999, 0.9999)  # shares of waiting that are named on an axis


class Wait(Protocol):
    """A fetch, as ``limits.waits`` measures it, in seconds."""

    @property
    def delay(self) -> float: ...  # noqa: D102
    @property
    def cpu(self) -> float: ...  # noqa: D102
    @property
    def share(self) -> float: ...  # noqa: D102


class Crowd(Protocol):
    """Fetches by many threads, as ``limits.crowds`` measures them."""

    @property
    def threads(self) -> int: ...  # noqa: D102
    @property
    def rate(self) -> float: ...  # noqa: D102
    @property
    def limit(self) -> float: ...  # noqa: D102
    @property
    def client_busy(self) -> float: ...  # noqa: D102
    @property
    def server_busy(self) -> float: ...  # noqa: D102


def waiting_shares(
    points: Sequence[Wait],
    title: str,
    *,
    share: float = 0.99,
    reached: float | None,
    shown: bool | None = True,
) -> None:
    """Show how much of a fetch is waiting, and its CPU time under it, against the server's delay.

    The axis of the share has as much room from 90 to 99 % as from 99 to 99.9 %. ``share``, 0 to 1, is a line
    across, and ``reached``, the delay in seconds at which it is reached, a vertical one.
    """
    _check_points(points, "delay")
    check_positive("points", [point.delay for point in points])
    marks = [] if reached is None else [reached]
    check_positive("reached", marks or [1])
    line = sorted(points, key=lambda point: point.delay)
    delays = [point.delay for point in line]
    alt = "Waiting, of a fetch's time. " + " ".join(
        f"{_percent(p.share)}% with a delay of {human(p.delay)}, {human(p.cpu)} of CPU time." for p in line
    )
    alt += "".join(f" {_percent(share)}% is reached at {human(delay)}." for delay in marks)
    with picture(title, alt, 5.8, shown=shown) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 2])
        rest = [max(1 - point.share, 0.0001) for point in line]
        _nines(upper, min(*rest, 1 - share), max(rest))
        upper.plot(delays, rest, color=LOOKS["serial"].color, marker="o", mec="white")
        upper.axhline(1 - share, color="black", ls=":", zorder=1)
        for delay in marks:
            mark(upper, delay, f"{_percent(share)}% from a delay of {human(delay)} on")
            lower.axvline(delay, color="black", linewidth=2, zorder=1.5)
        lower.plot(delays, [1000 * p.cpu for p in line], color=LOOKS["serial"].color, marker="o", mec="white")
        lower.set(ylabel="CPU time\nof a fetch (ms)", xscale="log", xlabel="delay of the server")
        lower.set_ylim(0, 1200 * max(point.cpu for point in line) or 1)
        lower.xaxis.set_major_locator(LogLocator(numticks=8))
        lower.xaxis.set_minor_locator(NullLocator())
        lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def crowds(points: Sequence[Crowd], title: str, *, shown: bool | None = True) -> None:
    """Show the fetches per second of ever more threads, and under it the cores that client and server filled.

    The dashed line is the ideal, n times the rate of one thread; the dotted one is for each crowd the rate at
    which its client would keep one core busy all the time.
    """
    _check_points(points, "threads")
    line = sorted(points, key=lambda point: point.threads)
    numbers, rates, limits = [p.threads for p in line], [p.rate for p in line], [p.limit for p in line]
    check_positive("points", [*numbers, *rates, *limits])
    alt = " ".join(
        f"{count(p.threads, 'thread')}: {short(p.rate)} fetches per second, {p.client_busy:.2f} cores "
        f"busy in the client, {p.server_busy:.2f} in the server; with one core full, {short(p.limit)} per "
        "second."
        for p in line
    )
    with picture(title, alt, 6.0, shown=shown) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 2])
        upper.set(yscale="log", ylabel="fetches per second")
        _draw(upper, numbers, rates, "threads")
        top = 2 * max(*limits, *rates)
        seen = [n for n in numbers if 1.5 * n * rates[0] / numbers[0] <= top] or numbers[:1]
        ideal = [n * rates[0] / numbers[0] for n in seen]
        upper.plot(seen, ideal, "--", color=GREY, linewidth=2, zorder=1)
        note(upper, "ideal", (seen[-1], ideal[-1]), (-10, 0), ha="right", color=GREY, weight="bold")
        upper.plot(numbers, limits, color="black", ls=":", zorder=1)
        note(upper, "a full core", (numbers[0], limits[0]), (0, 10), path_effects=HALO)
        upper.set_ylim(min(rates) / 1.5, top)
        upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        upper.yaxis.set_minor_locator(NullLocator())
        _draw_busy(lower, line)
        lower.set_xscale("log", base=2)
        lower.set_xticks(numbers, [str(n) for n in numbers])
        lower.xaxis.set_minor_locator(NullLocator())
        lower.set(xlabel="threads", ylabel="cores\nkept busy")


def stalls(
    rows: Mapping[str, tuple[Sequence[float], tuple[float, float]]], title: str, *, shown: bool | None = True
) -> None:
    """Show when a task ticked, a dot each, beside a call that ran meanwhile, a bar from its start to its end.

    A row holds the moments of the ticks, and the start and the end of the call, all in seconds on one clock;
    time 0 is the first of them.
    """
    check_dict("rows", dict(rows), tuple)
    moved = {name: _from_zero(*row) for name, row in rows.items()}
    longest = max(max([*moments, end]) for moments, (_, end) in moved.values()) or 1
    name = unit(longest)
    alt = " ".join(
        f"{row}: {count(len(moments), 'tick')}, {_within(moments, call)} of them while the call of "
        f"{human(call[1] - call[0])} ran."
        for row, (moments, call) in moved.items()
    )
    with picture(title, alt, 1.2 + 0.8 * len(moved), shown=shown) as figure:
        axes = figure.subplots()
        axes.set(xlim=(-0.01 * longest / UNITS[name], 1.02 * longest / UNITS[name]))
        axes.set(ylim=(len(moved) - 0.5, -0.5), xlabel=f"time in {name}, from the first tick")
        axes.set_yticks(range(len(moved)), [fill(row, 24) for row in moved])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        color = LOOKS["asyncio"].color
        for row, (moments, (begin, end)) in enumerate(moved.values()):
            axes.barh(row + 0.2, (end - begin) / UNITS[name], 0.3, begin / UNITS[name], color=light(color))
            note(axes, "the call", (begin / UNITS[name], row + 0.2), (4, 0), va="center")
            x = [moment / UNITS[name] for moment in moments]
            axes.plot(x, [row - 0.15] * len(x), "o", color=color, markersize=7)


def queue_lengths(
    lengths: Mapping[str, Sequence[tuple[float, int]]],
    title: str,
    *,
    limit: int | None = None,
    shown: bool | None = True,
) -> None:
    """Show how many items were in a queue, as steps over time, a line a queue; ``limit`` is a line across.

    ``lengths`` holds for each queue its readings in order: the time in seconds, from that queue's start, and
    the number of items.
    """
    check_dict("lengths", dict(lengths), Sequence)
    for name, readings in lengths.items():
        check_positive(f"lengths[{name!r}]", [number for pair in readings for number in pair], zero=True)
    alt = " ".join(
        f"{name}: at most {max(n for _, n in readings)} in the queue, the last reading after "
        f"{human(readings[-1][0])}."
        for name, readings in lengths.items()
    )
    with picture(title, alt, 4.0, shown=shown) as figure:
        axes = figure.subplots()
        for (name, look), readings in zip(looks(lengths).items(), lengths.values(), strict=True):
            x, y = zip(*readings, strict=True)
            axes.step(x, y, where="post", color=look.color, ls=look.line, label=name)
        most = max(n for readings in lengths.values() for _, n in readings)
        axes.set(xlabel="time in s, from the start", ylabel="in the queue", ylim=(0, 1.15 * most or 1))
        axes.set_xlim(0, None)
        if limit is not None:
            axes.axhline(limit, color="black", ls=":", zorder=1)
        axes.legend()


def _nines(axes: Axes, least: float, most: float) -> None:
    """Make an axis of what is left to 1, on which more waiting is higher, and name the shares."""
    axes.set(yscale="log", ylim=(1.6 * most, least / 1.6), ylabel="waiting\n(% of its time)")
    axes.yaxis.set_major_locator(FixedLocator([1 - share for share in _NINES]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rest, _: _percent(1 - rest)))


def _draw(axes: Axes, x: Sequence[float], y: Sequence[float], way: str) -> None:
    look = LOOKS[way]
    axes.plot(x, y, color=look.color, marker=look.marker, ls=look.line, mec="white")


def _draw_busy(axes: Axes, line: Sequence[Crowd]) -> None:
    """Draw the cores that client and server kept busy, with a line at one."""
    numbers = [point.threads for point in line]
    both = {"client": [p.client_busy for p in line], "server": [p.server_busy for p in line]}
    ends: list[End] = []
    for (name, busy), look in zip(both.items(), (LOOKS["threads"], LOOKS["asyncio"]), strict=True):
        axes.plot(numbers, busy, color=look.color, marker=look.marker, ls=look.line, mec="white")
        ends.append((name, numbers[-1], busy[-1], mix(look.color, "black", 0.3)))
    axes.axhline(1, color="black", ls=":", zorder=1)
    axes.set_ylim(0, 1.2 * max(1, *both["client"], *both["server"]))
    label_ends(axes, ends)


def _from_zero(
    moments: Sequence[float], call: tuple[float, float]
) -> tuple[list[float], tuple[float, float]]:
    check_kind("rows", [*moments, *call], float | int)
    first = min([*moments, *call])
    return [moment - first for moment in moments], (call[0] - first, call[1] - first)


def _within(moments: Iterable[float], call: tuple[float, float]) -> int:
    return sum(call[0] < moment < call[1] for moment in moments)


def _percent(share: float) -> str:
    """Write a share with as many nines as it has: "50", "99", "99.93"."""
    text = f"{100 * share:.2f}" if share > 0.99 else f"{100 * share:.1f}"
    return text.rstrip("0").rstrip(".")


def _check_points(points: Sequence[object], name: str) -> None:
    if not isinstance(points, Sequence):
        raise TypeError(f"points: expected a list, got {show.short(points)}")
    if not points:
        raise ValueError("points: expected at least one, got none")
    for point in points:
        if not hasattr(point, name):
            raise TypeError(f"points: expected figures with {name}, got {show.short(point)}")
