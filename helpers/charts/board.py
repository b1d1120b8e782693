"""Pictures of a board: how many tasks wait, are in work and are done, while workers are killed."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.charts.blocks import draw_kills, draw_run, height
from helpers.charts.style import GREY, LOOKS, RED, fit, light, mix, picture
from helpers.charts.words import UNITS, check_kind, check_length, human, unit
from helpers.traces import Trace

Reading = tuple[float, int, int, int]
"""A moment of the clock in seconds; the tasks that wait then, are in work, and are done."""

_STATES = {"waiting": light(GREY), "in work": LOOKS["processes"].color, "done": mix(GREY, "white", 0.4)}
"""The colour of each state, from top to bottom. In work has that of the blocks of a timeline."""


def board(
    samples: Sequence[Reading],
    title: str,
    *,
    kills: Mapping[int, float] | None = None,
    trace: Trace | None = None,
    shown: bool | None = True,
) -> None:
    """Show where a run's tasks are, waiting, in work or done, and a line where a worker is killed.

    ``samples`` are readings (clock, waiting, in work, done) in their order. ``kills`` maps each process that
    is killed to the moment. With a ``trace``, its timeline stands below, on the same time axis.
    """
    _draw(samples, title, kills or {}, trace, shown)


def live_board(title: str) -> Callable[[Sequence[Reading], Mapping[int, float]], None]:
    """Return a function that shows ``board`` of samples and kills, every time in the same place."""
    place: dict[str, Any] = {"display_id": uuid.uuid4().hex}

    def show(samples: Sequence[Reading], kills: Mapping[int, float]) -> None:
        _draw(samples, title, kills, None, True, **place)
        place["update"] = True

    return show


def _draw(
    samples: Sequence[Reading],
    title: str,
    kills: Mapping[int, float],
    trace: Trace | None,
    shown: bool | None,
    **place: Any,
) -> None:
    samples = tuple(samples)  # they may grow while they are drawn
    _check(samples, kills, trace)
    zero = trace.start if trace else samples[0][0]
    end = max(samples[-1][0] - zero, trace.wall if trace else 0.0, 1e-3)
    name = unit(end)
    heights, beside = [2.8, height(trace)] if trace else [2.8], 1.3
    with picture(title, _story(samples, kills, zero), sum(heights) + beside, shown=shown, **place) as figure:
        heights = fit(figure, heights, beside)
        panels = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        panels[-1].set_xlim(0, end / UNITS[name])
        panels[-1].set_xlabel(f"time in {name}, from the first task given out", loc="left")
        moments = {pid: when - zero for pid, when in kills.items()}
        _draw_states(panels[0], [(time - zero) / UNITS[name] for time, *_ in samples], samples)
        if trace:
            draw_run(panels[1], _solid(trace), UNITS[name], heights[1])
            draw_kills(panels[1], trace, moments, UNITS[name])
        for axes in panels:
            for moment in moments.values():
                axes.axvline(moment / UNITS[name], color=RED, linewidth=2, zorder=1.6)
        _explain(figure, bool(kills), trace is not None)


def _draw_states(axes: Axes, times: list[float], samples: Sequence[Reading]) -> None:
    """Stack the states: done at the bottom, what waits on top."""
    below = [0.0] * len(samples)
    for state, column in (("done", 3), ("in work", 2), ("waiting", 1)):
        top = [low + reading[column] for low, reading in zip(below, samples, strict=True)]
        axes.fill_between(times, below, top, step="post", color=_STATES[state], linewidth=0)
        below = top
    axes.set(ylabel="tasks", ylim=(0, max(*below, 1)))
    axes.grid(False)


def _solid(trace: Trace) -> Trace:
    """Return a trace whose jobs are drawn solid: here, in work is in work, whether on a core or not."""
    return replace(trace, spans=tuple(replace(span, cpu=span.seconds, samples=()) for span in trace.spans))


def _explain(figure: Figure, kills: bool, rows: bool) -> None:
    keys: list[Any] = [Patch(color=color, label=state) for state, color in _STATES.items()]
    if kills:
        keys.append(Line2D([], [], color=RED, linewidth=2, label="a worker is killed"))
        keys += [Patch(fc=light(RED), ec=RED, hatch="//", label="lost with it")] * rows
    size: dict[str, Any] = {"fontsize": 13, "columnspacing": 1.2, "handlelength": 1.6}
    figure.legend(
        handles=keys, loc="outside lower left", ncols=len(keys), borderpad=0, borderaxespad=0.4, **size
    )


def _story(samples: Sequence[Reading], kills: Mapping[int, float], zero: float) -> str:
    """Say what the board held at the start, half-way and at the end, and when workers were killed."""
    lines = [
        f"After {human(max(time - zero, 0.0))}: {waiting} waiting, {in_work} in work, {done} done."
        for time, waiting, in_work, done in (samples[0], samples[len(samples) // 2], samples[-1])
    ]
    lines += [f"Process {pid} is killed after {human(when - zero)}." for pid, when in kills.items()]
    return " ".join(lines)


def _check(samples: Sequence[Reading], kills: Mapping[int, float], trace: Trace | None) -> None:
    if not samples:
        raise ValueError("samples: expected at least one reading, got none")
    for reading in samples:
        check_length("samples", reading, 4)
        check_kind("samples", reading, float | int)
    check_kind("kills", kills.values(), float | int)
    check_kind("trace", [trace] if trace is not None else [], Trace)
