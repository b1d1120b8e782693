"""A picture of lines over the number of processes: what too many of them cost."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from helpers import show
from helpers.charts.style import HALO, LOOKS, mark, note, picture
from helpers.charts.words import check_kind, check_length, check_positive, compact, count, plain, short


def switching(
    counts: Sequence[int],
    throughput: Sequence[float],
    switches: Sequence[float | None],
    title: str,
    *,
    cores: int,
    shown: bool | None = True,
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
    with picture(title, _switching_story(shares, rates, cores), 5.8 if rates else 3.4, shown=shown) as figure:
        _draw_panels(figure, shares, rates, cores)


def _check_counts(
    counts: Sequence[int], throughput: Sequence[float], switches: Sequence[float | None], cores: int
) -> None:
    check_kind("counts", [counts], Sequence)
    check_positive("counts", counts)
    if cores not in counts:
        raise ValueError(
            f"counts: expected the number of cores, {cores}, among them, got {show.short(counts)}"
        )
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
