"""How a trace is drawn: a row a worker, in it a lane for each job at a time, in that a block a job.

trace -> rows_of: worker, name -> lanes: spans that do not overlap -> shades: pieces, shares of a core
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from helpers.charts.style import GREY, HALO, RED, light, looks, mix, note
from helpers.traces import Span, Trace, Worker

CROWD = 12
"""More workers than this get thin rows, and names only for the first and the last."""

_WORKER_NAMES = {
    "serial": "worker",
    "threads": "thread",
    "processes": "process",
    "asyncio": "thread",
    "interpreters": "interpreter",
}
_ROW = 0.55  # inches of a row that has one lane
_LANE = 0.27  # inches of a lane beside others, enough for a job's number
_NAMED = 0.2  # inches of a row at the least, for its worker's name
_TWO_LINES = 0.36  # inches of a row at the least, for its worker's PID under the name
_THICK = 0.76  # of a row's height is taken by its blocks
_FINE = 700  # pieces across a picture at the most: one is as wide as a pixel

_Place = tuple[float, float]  # a lane's top and thickness, in rows
_Piece = tuple[float, float, float]  # begin, seconds, CPU seconds


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


def shades(lane: Iterable[Span], shortest: float) -> list[_Piece]:
    """Cut a lane's jobs into pieces: begin, seconds, and the share of a core that it had, 0 to 1.

    The cuts are at samples. A share over less than ``shortest`` seconds would say nothing, so pieces that are
    shorter have one in common with their neighbours, until all of them together are long enough.
    """
    groups: list[list[_Piece]] = [[]]
    for piece in (piece for span in lane for piece in _pieces(span, shortest)):
        if _seconds(groups[-1]) >= shortest:
            groups.append([])
        groups[-1].append(piece)
    if len(groups) > 1 and _seconds(groups[-1]) < shortest:
        rest = groups.pop()
        groups[-1] += rest
    return [(begin, seconds, _share(group)) for group in groups for begin, seconds, _ in group]


def _pieces(span: Span, shortest: float) -> Iterator[_Piece]:
    """Cut a span at samples into pieces of at least ``shortest`` seconds, or one piece if it is shorter."""
    readings = [(span.started, 0.0)]
    for time, cpu in span.samples:
        if min(time - readings[-1][0], span.finished - time) >= shortest:
            readings.append((time, cpu))
    readings.append((span.finished, span.cpu))
    for (begin, used), (end, used_then) in pairwise(readings):
        yield begin, end - begin, used_then - used


def _seconds(pieces: Iterable[_Piece]) -> float:
    return sum(seconds for _, seconds, _ in pieces)


def _share(pieces: Sequence[_Piece]) -> float:
    """Return the CPU time of pieces over their time; an instant, which has none to tell, is busy."""
    seconds = _seconds(pieces)
    return max(0.0, min(1.0, sum(cpu for *_, cpu in pieces) / seconds)) if seconds else 1.0


def least_share(trace: Trace, until: float | None) -> float:
    """Return the smallest share of a core that any piece has that begins in the first seconds of a trace."""
    seen = until or trace.wall
    every = (
        piece for row in _lanes_of(trace) for lane in row for piece in shades(lane, _finest(trace, seen))
    )
    return min((share for begin, _, share in every if begin < trace.start + seen), default=1.0)


def height(trace: Trace) -> float:
    """Return the inches that a trace's rows need."""
    rows, deepest = len(rows_of(trace)), max(len(row) for row in _lanes_of(trace))
    if rows > CROWD:
        return 0.5 + 0.1 * rows
    return rows * _row_height(deepest)


def draw_run(axes: Axes, trace: Trace, size: float, inches: float) -> None:
    """Draw a trace's rows and blocks, so many inches high; ``size`` is the time axis' unit in seconds."""
    rows = _lanes_of(trace)
    inches /= len(rows)
    _name_rows(axes, rows_of(trace), inches)
    first, last = (size * end for end in axes.get_xlim())
    for row, row_lanes in enumerate(rows):
        thick = _THICK / len(row_lanes)
        for number, lane in enumerate(row_lanes):
            place = (row - _THICK / 2 + number * thick, thick)
            seen = [span for span in lane if span.started <= trace.start + last]
            _draw_shades(axes, seen, trace, size, place, _finest(trace, last - first))
            for span in seen:
                ends = [(moment - trace.start) / size for moment in (span.started, span.finished)]
                _draw_ends(axes, span, ends, place, thick * inches)


def draw_kills(axes: Axes, trace: Trace, kills: Mapping[int, float], size: float) -> None:
    """Hatch what a killed worker had in hand, from its last result on, and set a cross at its end.

    ``kills`` maps each process that was killed to the moment, in seconds since the trace's start.
    """
    for row, worker in enumerate(rows_of(trace)):
        if worker.pid in kills:
            end = kills[worker.pid] / size
            results = [span.finished for span in trace.spans if span.worker == worker]
            begin = min((max(results) - trace.start) / size, end) if results else end
            place = (row - _THICK / 2, _THICK)
            axes.broken_barh([(begin, end - begin)], place, facecolors=light(RED), edgecolor=RED, hatch="//")
            _draw_cross(axes, end, row)


def _draw_cross(axes: Axes, x: float, y: float) -> None:
    axes.plot(x, y, "X", color=RED, markersize=16, mec="white", clip_on=False, zorder=5)


def _lanes_of(trace: Trace) -> list[list[list[Span]]]:
    return [lanes(span for span in trace.spans if span.worker == worker) for worker in rows_of(trace)]


def _finest(trace: Trace, seen: float) -> float:
    """Return the seconds of the shortest piece whose share is measured well enough, and seen."""
    return max(trace.window, seen / _FINE)


def _row_height(deepest: int) -> float:
    """Return the inches of a row with so many lanes."""
    if deepest > CROWD:
        return min(1 + 0.08 * deepest, 4.5)
    return max(_ROW, _LANE * deepest / _THICK)


def _name_rows(axes: Axes, rows: dict[Worker, str], inches: float) -> None:
    """Write each worker's name and PID beside its row; in a crowd, the first and the last name."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    names = list(rows.values())
    if inches < _NAMED:
        ends = sorted({0, len(rows) - 1})
        axes.set_yticks(ends, [names[row] for row in ends])
        return
    pids = [f"PID {worker.pid}" if worker.pid else "no PID" for worker in rows]
    if inches < _TWO_LINES:
        lines = [f"{name}, {pid}" for name, pid in zip(names, pids, strict=True)]
        axes.set_yticks(range(len(rows)), lines, size=11)
        return
    line = _ROW / inches  # one row of the usual height
    axes.set_yticks([row - 0.14 * line for row in range(len(rows))], names)
    for row, pid in enumerate(pids):
        look = {"ha": "right", "va": "center", "color": GREY, "size": 11}
        note(axes, pid, (0, row + 0.26 * line), (-4, 0), ("axes fraction", "data"), **look)


def _draw_shades(
    axes: Axes, lane: Iterable[Span], trace: Trace, size: float, place: _Place, shortest: float
) -> None:
    """Draw the pieces of a lane's jobs, each as dark as its share of a core."""
    color = looks([trace.way])[trace.way].color
    found = shades(lane, shortest)
    blocks = [((begin - trace.start) / size, seconds / size) for begin, seconds, _ in found]
    paints = [mix(light(color), color, share) for *_, share in found]
    # The edge shows even an instant.
    axes.broken_barh(blocks, place, facecolors=paints, edgecolor="face", linewidth=0.5)


def _draw_ends(axes: Axes, span: Span, ends: list[float], place: _Place, tall: float) -> None:
    """Draw a line where a job starts, unless it is too small, its number if it fits, and its error."""
    (first, last), (left, right) = axes.get_xlim(), ends
    top, thick = place
    seen = min(right, last)
    wide = 7 * (seen - left) / (last - first)  # inches, as ``tall``
    if span.error is not None and right <= last:
        axes.broken_barh([(left, right - left)], place, facecolors="none", edgecolor=RED, hatch="//")
        _draw_cross(axes, right, top + thick / 2)
    elif wide > 0.04 and tall > 0.1:
        axes.vlines(left, top - 0.1 * thick, top + 1.1 * thick, color="black", linewidth=1)
    number = str(span.job + 1)
    if tall > 0.2 and wide > 0.05 + 0.12 * len(number):
        middle = ((left + seen) / 2, top + thick / 2)
        axes.text(*middle, number, ha="center", va="center", path_effects=HALO)
