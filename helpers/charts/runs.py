"""Pictures of traces: when each worker had which job, and how much of that time was CPU time."""

import math
from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, DrawingArea, HPacker, TextArea
from matplotlib.patches import Rectangle

from helpers.charts.blocks import CROWD, draw_kills, draw_run, height, least_share, rows_of
from helpers.charts.style import GREY, fit, ink, light, looks, mark, mix, picture
from helpers.charts.words import UNITS, check_dict, check_kind, check_positive, count, human, unit
from helpers.traces import Trace

_AXIS = 1.1  # inches of a time axis, its label, and the room around a picture


def timeline(
    trace: Trace,
    title: str,
    *,
    marks: Mapping[str, float] | None = None,
    kills: Mapping[int, float] | None = None,
    until: float | None = None,
    shown: bool | None = True,
) -> None:
    """Show which job each worker had when: a row a worker, a block a job, dark where it has a core.

    A line stands where a job starts, and a cross where one fails. Jobs that overlap on one worker, as
    asyncio's do, lie under one another in its row. ``marks`` maps a short label to a moment on the spans'
    clock, and becomes a vertical line. ``kills`` maps each process that is killed to the moment: there it
    has a cross, and what was lost with it is hatched. ``until`` shows only so many seconds, from the first
    job given out.
    """
    check_kind("trace", [trace], Trace)
    check_kind("marks", (marks or {}).values(), float | int)
    check_kind("kills", (kills or {}).values(), float | int)
    _check_until(until)
    latest = trace.start + until if until else math.inf
    moments = {label: when - trace.start for label, when in (marks or {}).items() if when <= latest}
    dead = {pid: when - trace.start for pid, when in (kills or {}).items() if when <= latest}
    alt = [_story(trace), *(f"Mark at {human(when)}: {label}." for label, when in moments.items())]
    alt += [f"Process {pid} is killed after {human(when)}." for pid, when in dead.items()]
    ends = [0.0, trace.wall, *moments.values(), *dead.values()]
    rows, beside = height(trace), _AXIS + 0.3 * len(moments)
    with picture(title, _shown(" ".join(alt), until), rows + beside, shown=shown) as figure:
        axes = figure.subplots()
        size = _time_axis(axes, min(ends), max(ends), until)
        draw_run(axes, trace, size, *fit(figure, [rows], beside))
        draw_kills(axes, trace, dead, size)
        for level, label in enumerate(sorted(moments, key=lambda label: -moments[label])):
            mark(axes, moments[label] / size, label, level)
        _explain(figure, [trace], until)


def timelines(
    traces: dict[str, Trace], title: str, *, until: float | None = None, shown: bool | None = True
) -> None:
    """Show several timelines under one another, on one time axis so that their lengths compare.

    ``until`` shows only so many seconds of each, from its first job given out.
    """
    check_dict("traces", traces, Trace)
    _check_until(until)
    alt = " ".join(f"{name}: {_story(trace)}" for name, trace in traces.items())
    heights = [height(trace) for trace in traces.values()]
    beside = _AXIS + 0.45 * len(heights)
    longest = max(trace.wall for trace in traces.values())
    with picture(title, _shown(alt, until), sum(heights) + beside, shown=shown) as figure:
        heights = fit(figure, heights, beside)
        panels = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        size = _time_axis(panels[-1], 0.0, longest, until)
        for axes, inches, (name, trace) in zip(panels, heights, traces.items(), strict=True):
            axes.set_title(fill(f"{name}: {human(trace.wall)}", 70), loc="left")
            draw_run(axes, trace, size, inches)
        _explain(figure, traces.values(), until)


def cpu_shares(traces: dict[str, Trace], title: str, *, shown: bool | None = True) -> None:
    """Show how much of the time from start to finish of a trace's jobs was CPU time, in per cent."""
    check_dict("traces", traces, Trace)
    shares = {name: min(trace.cpu_share, 1.0) for name, trace in traces.items()}
    alt = " ".join(
        f"{name}: {share:.0%} CPU time, {1 - share:.0%} waiting." for name, share in shares.items()
    )
    look = looks(trace.way for trace in traces.values())
    with picture(title, alt, 1.0 + 0.65 * len(traces), shown=shown) as figure:
        axes = figure.subplots()
        axes.set(xlim=(0, 100), ylim=(len(shares) - 0.5, -0.5), xlabel="% of the time from start to finish")
        axes.set_yticks(range(len(shares)), [fill(name, 24) for name in shares])
        axes.grid(False, axis="y")
        for row, (name, share) in enumerate(shares.items()):
            _draw_share(axes, row, 100 * share, look[traces[name].way].color)


def _draw_share(axes: Axes, row: int, percent: float, color: str) -> None:
    axes.barh(row, 100, 0.7, color=light(color))
    axes.barh(row, percent, 0.7, color=color)
    if percent > 20:
        axes.text(percent - 1, row, f"{percent:.0f}% CPU", ha="right", va="center", color=ink(color))
    else:
        axes.text(percent + 1, row, f"{percent:.0f}% CPU", va="center")
    if percent < 80:
        axes.text(99, row, "waiting", ha="right", va="center")


def _check_until(until: float | None) -> None:
    if until is not None:
        check_positive("until", [until])


def _shown(alt: str, until: float | None) -> str:
    return f"{alt} The picture shows the first {human(until)}." if until else alt


def _story(trace: Trace) -> str:
    """Say in words what the picture of a trace shows."""
    jobs, workers = count(len(trace.spans), "job"), count(len(trace.workers), "worker")
    lines = [
        f"{jobs} on {workers} took {human(trace.wall)}, at most {max(1, trace.most_at_once)} at once.",
        f"CPU time was {trace.cpu_share:.0%} of the jobs' time.",
        f"On average {trace.cores_busy:.1f} cores were busy.",
    ]
    rows = {name: [s for s in trace.spans if s.worker == worker] for worker, name in rows_of(trace).items()}
    if len(rows) > CROWD:  # nobody wants to hear of each
        every = sorted(trace.spans, key=lambda span: span.seconds)
        lines.append(f"The jobs took {human(every[0].seconds)} to {human(every[-1].seconds)} each.")
        rows = {}
    for name, spans in rows.items():
        seconds, cpu = (sum(getattr(span, kind) for span in spans) for kind in ("seconds", "cpu"))
        share = f", {min(cpu / seconds, 1.0):.0%} of it CPU time" if seconds else ""
        lines.append(f"{name}: {count(len(spans), 'job')}, {human(seconds)}{share}.")
    lines += [f"Job {number + 1} failed: {error}." for number, error in trace.errors.items()]
    return " ".join(lines)


def _time_axis(axes: Axes, begin: float, end: float, until: float | None) -> float:
    """Label the time axis in the unit that fits, and return that unit in seconds."""
    extent = "from the first job given out"
    if until and until < end:
        end, extent = until, f"only the first {human(until)}"
    end = max(end, begin + 1e-9)  # a run of no length at all still needs an axis
    name = unit(end - begin)
    begin -= (end - begin) / 200  # so that a block at 0 does not hide behind the axis
    axes.set_xlim(begin / UNITS[name], end / UNITS[name])
    axes.set_xlabel(f"time in {name}, {extent}", loc="left")  # because the legend is on the right
    return UNITS[name]


def _explain(figure: Figure, traces: Iterable[Trace], until: float | None) -> None:
    """Explain the shades, with a strip of them, if anything in the picture had less than a core."""
    if min(least_share(trace, until) for trace in traces) < 0.9:
        strip = DrawingArea(90, 14)
        for tenth in range(10):
            color = mix(light(GREY), GREY, tenth / 9)
            strip.add_artist(Rectangle((9 * tenth, 0), 9.5, 14, color=color, linewidth=0))
        words = [TextArea(text) for text in ("0", "100% of a core")]
        key = HPacker(children=[words[0], strip, words[1]], align="center", pad=0, sep=6)
        place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": figure.bbox, "frameon": False}
        figure.add_artist(AnchoredOffsetbox(child=key, pad=0, borderpad=0.4, **place))
