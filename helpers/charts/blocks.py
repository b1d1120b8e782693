"""How a trace is drawn: a row a worker, in it a lane for each job at a time, in that a block a job.

trace -> rows_of: worker, name -> lanes: spans that do not overlap -> pieces: on a core, or waiting
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from matplotlib.axes import Axes

from helpers.charts.style import GREY, HALO, RED, light, looks, note
from helpers.traces import Span, Trace, Worker

_WORKER_NAMES = {
    "serial": "worker",
    "threads": "thread",
    "processes": "process",
    "asyncio": "thread",
    "interpreters": "interpreter",
}
_CROWD = 12  # more workers than this get thin rows, and names only for the first and the last
_ROW = 0.55  # inches of a row that has one lane
_LANE = 0.27  # inches of a lane beside others, enough for a job's number
_THICK = 0.76  # of a row's height is taken by its blocks

_Place = tuple[float, float]  # a lane's top and thickness, in rows


def rows_of(trace: Trace) -> dict[Worker, str]:
    """Name the workers: those that were ready, then those that only a span knows."""
    workers = list(dict.fromkeys([*trace.workers, *(span.worker for span in trace.spans)]))
    alone = len({worker.pid for worker in workers}) == len(workers)
    kind = _WORKER_NAMES.get(trace.way, "process" if alone else "thread")
    return {w: f"{kind} {number}" if w.pid else "worker lost" for number, w in enumerate(workers, 1)}


def lanes(spans: Iterable[Span]) -> list[list[Span]]:
    """Deal a worker's jobs to as few lanes as there are jobs at once; at least one lane, maybe empty."""
    lanes: list[list[Span]] = [[]]
    for span in sorted(spans, key=lambda span: (span.started, span.finished)):
        free = next((lane for lane in lanes if not lane or lane[-1].finished <= span.started), None)
        if free is None:
            lanes.append(free := [])
        free.append(span)
    return lanes


def pieces(span: Span, shortest: float) -> Iterator[tuple[float, float, bool]]:
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


def waits_in_view(trace: Trace, until: float | None) -> bool:
    """Return whether any job waits in the first seconds of a trace."""
    end = trace.start + (until or trace.wall)
    every = (piece for span in trace.spans for piece in pieces(span, trace.window))
    return any(seconds and begin < end and not busy for begin, seconds, busy in every)


def height(trace: Trace) -> float:
    """Return the inches that a trace's rows need."""
    rows, deepest = len(rows_of(trace)), max(len(row) for row in _lanes_of(trace))
    if rows > _CROWD:
        return 0.5 + 0.1 * rows
    return rows * _row_height(deepest)


def draw_run(axes: Axes, trace: Trace, size: float) -> None:
    """Draw a trace's rows and blocks; ``size`` is the time axis' unit in seconds."""
    rows = _lanes_of(trace)
    inches = height(trace) / len(rows)
    _name_rows(axes, rows_of(trace), inches)
    end = trace.start + size * axes.get_xlim()[1]
    for row, row_lanes in enumerate(rows):
        thick = _THICK / len(row_lanes)
        roomy, thin = thick * inches > 0.2, thick * inches < 0.045
        for number, lane in enumerate(row_lanes):
            place = (row - _THICK / 2 + number * thick, thick)
            seen = [span for span in lane if span.started <= end]
            _draw_pieces(axes, seen, trace, size, place)
            for span in seen:
                ends = [(moment - trace.start) / size for moment in (span.started, span.finished)]
                _draw_outline(axes, span, ends, place, 3 if roomy else 0 if thin else 1)


def draw_kills(axes: Axes, trace: Trace, moments: Mapping[int, float], size: float) -> None:
    """Hatch what a killed worker had in hand, from its last result on, and set a cross at its end.

    ``moments`` maps processes to where on the time axis they died.
    """
    for row, worker in enumerate(rows_of(trace)):
        if worker.pid in moments:
            end = moments[worker.pid]
            results = [span.finished for span in trace.spans if span.worker == worker]
            begin = (max(results) - trace.start) / size if results else end
            place = (row - _THICK / 2, _THICK)
            axes.broken_barh([(begin, end - begin)], place, fc=light(RED), ec=RED, hatch="//")
            axes.plot(end, row, "X", color=RED, markersize=16, mec="white", clip_on=False, zorder=5)


def _lanes_of(trace: Trace) -> list[list[list[Span]]]:
    return [lanes(span for span in trace.spans if span.worker == worker) for worker in rows_of(trace)]


def _row_height(deepest: int) -> float:
    """Return the inches of a row with so many lanes."""
    if deepest > _CROWD:
        return min(1 + 0.08 * deepest, 4.5)
    return max(_ROW, _LANE * deepest / _THICK)


def _name_rows(axes: Axes, rows: dict[Worker, str], inches: float) -> None:
    """Write each worker's name and PID beside its row; in a crowd, the first and the last name."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    names = list(rows.values())
    if len(rows) > _CROWD:
        axes.set_yticks([0, len(rows) - 1], [names[0], names[-1]])
        return
    line = _ROW / inches  # one row of the usual height
    axes.set_yticks([row - 0.14 * line for row in range(len(rows))], names)
    for row, worker in enumerate(rows):
        pid = f"PID {worker.pid}" if worker.pid else "no PID"
        look = {"ha": "right", "va": "center", "color": GREY, "size": 11}
        note(axes, pid, (0, row + 0.26 * line), (-4, 0), ("axes fraction", "data"), **look)


def _draw_pieces(axes: Axes, lane: Iterable[Span], trace: Trace, size: float, place: _Place) -> None:
    """Draw the pieces of a lane's jobs, solid on a core, light where they wait."""
    color = looks([trace.way])[trace.way].color
    found = [piece for span in lane for piece in pieces(span, trace.window)]
    blocks = [((begin - trace.start) / size, seconds / size) for begin, seconds, _ in found]
    paints = [color if busy else light(color) for *_, busy in found]
    # The edge shows even an instant.
    axes.broken_barh(blocks, place, facecolors=paints, edgecolor="face", linewidth=0.5)


def _draw_outline(axes: Axes, span: Span, ends: list[float], place: _Place, gap: int) -> None:
    """Set a job's block apart by a gap of so many points, write its number if it fits, show its error."""
    (first, last), (left, right) = axes.get_xlim(), ends
    block, middle = [(left, right - left)], place[0] + place[1] / 2
    seen = min(right, last)
    inches = 7 * (seen - left) / (last - first)
    if span.error is not None and right <= last:
        axes.broken_barh(block, place, facecolors="none", edgecolor=RED, hatch="//")
        axes.plot(right, middle, "X", color=RED, markersize=16, mec="white", clip_on=False, zorder=5)
    elif gap and inches > 0.05:
        axes.broken_barh(block, place, facecolors="none", edgecolor="white", linewidth=min(gap, 20 * inches))
    number = str(span.job + 1)
    if gap > 1 and inches > 0.05 + 0.12 * len(number):
        axes.text((left + seen) / 2, middle, number, ha="center", va="center", path_effects=HALO)
