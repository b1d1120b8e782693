"""Pictures of traces: when each worker had which job, and how much of that time was CPU time."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from helpers.charts.style import GREY, HALO, RED, ink, looks, mark, mix, note, picture
from helpers.charts.words import UNITS, check_dict, check_kind, count, human, unit
from helpers.traces import Span, Trace, Worker

_WORKER_NAMES = {"serial": "worker", "threads": "thread", "processes": "process"}
_CROWD = 12  # more workers than this get thin rows, and names only for the first and the last


def timeline(trace: Trace, title: str, *, marks: Mapping[str, float] | None = None) -> None:
    """Show which job each worker had when: a row a worker, a block a job, light where it waits.

    ``marks`` maps a short label to a moment on the spans' clock, and becomes a vertical line.
    """
    check_kind("trace", [trace], Trace)
    check_kind("marks", (marks or {}).values(), float | int)
    moments = {label: when - trace.start for label, when in (marks or {}).items()}
    alt = [_story(trace), *(f"Mark at {human(when)}: {label}." for label, when in moments.items())]
    begin, end = min([0.0, *moments.values()]), max([trace.wall, *moments.values()])
    with picture(title, " ".join(alt), 1.1 + _height(trace) + 0.3 * len(moments)) as figure:
        axes = figure.subplots()
        size = _time_axis(axes, begin, end)
        _draw_trace(axes, trace, size)
        for level, label in enumerate(sorted(moments, key=lambda label: -moments[label])):
            mark(axes, moments[label] / size, label, level)
        _explain(figure, [trace])


def timelines(traces: dict[str, Trace], title: str) -> None:
    """Show several timelines under one another, on one time axis so that their lengths compare."""
    check_dict("traces", traces, Trace)
    alt = " ".join(f"{name}: {_story(trace)}" for name, trace in traces.items())
    heights = [_height(trace) for trace in traces.values()]
    longest = max(trace.wall for trace in traces.values())
    with picture(title, alt, 1.1 + sum(heights) + 0.45 * len(heights)) as figure:
        panels = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        size = _time_axis(panels[-1], 0.0, longest)
        for axes, (name, trace) in zip(panels, traces.items(), strict=True):
            axes.set_title(fill(f"{name}: {human(trace.wall)}", 70), loc="left")
            _draw_trace(axes, trace, size)
        _explain(figure, traces.values())


def cpu_shares(traces: dict[str, Trace], title: str) -> None:
    """Show how much of the time from start to finish of a trace's jobs was CPU time, in per cent."""
    check_dict("traces", traces, Trace)
    shares = {name: min(trace.cpu_share, 1.0) for name, trace in traces.items()}
    alt = " ".join(
        f"{name}: {share:.0%} CPU time, {1 - share:.0%} waiting." for name, share in shares.items()
    )
    look = looks(trace.way for trace in traces.values())
    with picture(title, alt, 1.0 + 0.65 * len(traces)) as figure:
        axes = figure.subplots()
        axes.set(xlim=(0, 100), ylim=(len(shares) - 0.5, -0.5), xlabel="% of the time from start to finish")
        axes.set_yticks(range(len(shares)), [fill(name, 24) for name in shares])
        axes.grid(False, axis="y")
        for row, (name, share) in enumerate(shares.items()):
            _draw_share(axes, row, 100 * share, look[traces[name].way].color)


def _draw_share(axes: Axes, row: int, percent: float, color: str) -> None:
    axes.barh(row, 100, 0.7, color=_light(color))
    axes.barh(row, percent, 0.7, color=color)
    if percent > 20:
        axes.text(percent - 1, row, f"{percent:.0f}% CPU", ha="right", va="center", color=ink(color))
    else:
        axes.text(percent + 1, row, f"{percent:.0f}% CPU", va="center")
    if percent < 80:
        axes.text(99, row, "waiting", ha="right", va="center")


def _rows(trace: Trace) -> dict[Worker, str]:
    """Name the workers: those that were ready, then those that only a span knows."""
    workers = list(dict.fromkeys([*trace.workers, *(span.worker for span in trace.spans)]))
    alone = len({worker.pid for worker in workers}) == len(workers)
    kind = _WORKER_NAMES.get(trace.way, "process" if alone else "thread")
    return {w: f"{kind} {number}" if w.pid else "worker lost" for number, w in enumerate(workers, 1)}


def _height(trace: Trace) -> float:
    """Return the inches that a trace's rows need."""
    rows = len(_rows(trace))
    return 0.55 * rows if rows <= _CROWD else 0.5 + 0.1 * rows


def _story(trace: Trace) -> str:
    """Say in words what the picture of a trace shows."""
    jobs, workers = count(len(trace.spans), "job"), count(len(trace.workers), "worker")
    lines = [
        f"{jobs} on {workers} took {human(trace.wall)}, at most {max(1, trace.most_at_once)} at once.",
        f"CPU time was {trace.cpu_share:.0%} of the jobs' time.",
        f"On average {trace.cores_busy:.1f} cores were busy.",
    ]
    for worker, name in _rows(trace).items():
        spans = [span for span in trace.spans if span.worker == worker]
        lines.append(f"{name}: {count(len(spans), 'job')}, {human(sum(span.seconds for span in spans))}.")
    lines += [f"Job {number + 1} failed: {error}." for number, error in trace.errors.items()]
    return " ".join(lines)


def _time_axis(axes: Axes, begin: float, end: float) -> float:
    """Label the time axis in the unit that fits, and return that unit in seconds."""
    end = max(end, begin + 1e-9)  # a run of no length at all still needs an axis
    name = unit(end - begin)
    begin -= (end - begin) / 200  # so that a block at 0 does not hide behind the axis
    axes.set_xlim(begin / UNITS[name], end / UNITS[name])
    # On the left, because the legend is on the right.
    axes.set_xlabel(f"time in {name}, from the first job given out", loc="left")
    return UNITS[name]


def _draw_trace(axes: Axes, trace: Trace, size: float) -> None:
    """Draw a trace's rows and blocks; ``size`` is the time axis' unit in seconds."""
    rows = _rows(trace)
    _name_rows(axes, rows)
    color = looks([trace.way])[trace.way].color
    numbers = {worker: row for row, worker in enumerate(rows)}
    for span in trace.spans:
        row, left = numbers[span.worker], (span.started - trace.start) / size
        for begin, seconds, busy in _pieces(span, trace.window):
            paint = color if busy else _light(color)
            look: dict[str, Any] = {
                "color": paint,
                "edgecolor": paint,
                "linewidth": 0.5,
            }  # the edge shows even an instant
            axes.barh(row, seconds / size, 0.76, (begin - trace.start) / size, **look)
        _draw_outline(axes, span, row, left, span.seconds / size, numbered=len(rows) <= _CROWD)


def _name_rows(axes: Axes, rows: dict[Worker, str]) -> None:
    """Write each worker's name and PID beside its row; in a crowd, the first and the last name."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    names = list(rows.values())
    if len(rows) > _CROWD:
        axes.set_yticks([0, len(rows) - 1], [names[0], names[-1]])
        return
    axes.set_yticks([row - 0.14 for row in range(len(rows))], names)
    for row, worker in enumerate(rows):
        pid = f"PID {worker.pid}" if worker.pid else "no PID"
        look: dict[str, Any] = {"ha": "right", "va": "center", "color": GREY, "size": 11}
        note(axes, pid, (0, row + 0.26), (-4, 0), ("axes fraction", "data"), **look)


def _draw_outline(axes: Axes, span: Span, row: int, left: float, width: float, *, numbered: bool) -> None:
    """Set a job's block apart from its neighbours, write its number if that fits, and show its error."""
    first, last = axes.get_xlim()
    number = str(span.job + 1)
    inches = 7 * width / (last - first)
    fits = numbered and inches > 0.05 + 0.12 * len(number)
    if span.error is not None:
        axes.barh(row, width, 0.76, left, fill=False, edgecolor=RED, hatch="//")
        axes.plot(
            left + width, row, "X", color=RED, markersize=16, markeredgecolor="white", clip_on=False, zorder=5
        )
    elif inches > 0.05:
        axes.barh(row, width, 0.76, left, fill=False, edgecolor="white", linewidth=3 if numbered else 1)
    if fits:
        axes.text(left + width / 2, row, number, ha="center", va="center", path_effects=HALO)


def _pieces(span: Span, shortest: float) -> Iterator[tuple[float, float, bool]]:
    """Cut a span into pieces, each at least ``shortest`` seconds: begin, seconds, was it on a core.

    The cuts are at samples; a piece with less than half of it CPU time was waiting.
    """
    readings = [(span.started, 0.0)]
    for time, cpu in span.samples:
        if min(time - readings[-1][0], span.finished - time) >= shortest:
            readings.append((time, cpu))
    readings.append((span.finished, span.cpu))
    for (begin, used), (end, used_then) in pairwise(readings):
        yield begin, end - begin, used_then - used >= (end - begin) / 2


def _light(color: str) -> str:
    return mix(color, "white", 0.7)


def _explain(figure: Figure, traces: Iterable[Trace]) -> None:
    """Explain solid and light if the picture has both."""
    kinds = {busy for t in traces for span in t.spans for _, long, busy in _pieces(span, t.window) if long}
    if len(kinds) == 2:
        keys = [Patch(color=GREY, label="on a core"), Patch(color=_light(GREY), label="waiting")]
        figure.legend(handles=keys, loc="lower right", ncols=2, borderpad=0, borderaxespad=0.4)
