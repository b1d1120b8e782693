"""Every picture of the series, in one style: data in, one picture shown, nothing returned.

    charts.timeline(trace, "Two threads take turns")

The title is the finding. Where a run may miss it, ``shown`` takes the evidence: True, False, or None for
undecided. The title of a picture that does not show its finding begins with "Not shown by this run:".
A picture's plain text is its title alone, so that CI can compare it; its alt text is made from the same data
as the picture. All times are in seconds. Data of the wrong kind raise TypeError; no data, or figures that
cannot be drawn, raise ValueError.

    style     how everything looks, how a picture is shown
    words     how figures are written, and what is wrong with bad data
    blocks    how a trace is drawn
    runs      pictures of traces: timeline, timelines, cpu_shares
    speed     pictures of speed-ups: speedups, amdahl, scaling
    sizes     pictures of lines over the size of something: crossing, payloads
    curves    a picture of lines over the number of processes: switching
    bars      pictures of bars: costs, bars, panels, throughput
    board     pictures of a board of tasks: board, live_board
    mails     pictures of a mail queue: arrivals, attempts
    tiles     a picture of all statements: verdicts
    waits     pictures of waiting: waiting_shares, crowds, stalls, queue_lengths
"""

from helpers.charts.bars import bars, costs, panels, throughput
from helpers.charts.board import board, live_board
from helpers.charts.curves import switching
from helpers.charts.mails import arrivals, attempts
from helpers.charts.runs import cpu_shares, timeline, timelines
from helpers.charts.sizes import crossing, payloads
from helpers.charts.speed import amdahl, scaling, speedups
from helpers.charts.style import collect
from helpers.charts.tiles import verdicts
from helpers.charts.waits import crowds, queue_lengths, stalls, waiting_shares

__all__ = [
    "amdahl",
    "arrivals",
    "attempts",
    "bars",
    "board",
    "collect",
    "costs",
    "cpu_shares",
    "crossing",
    "crowds",
    "live_board",
    "panels",
    "payloads",
    "queue_lengths",
    "scaling",
    "speedups",
    "stalls",
    "switching",
    "throughput",
    "timeline",
    "timelines",
    "verdicts",
    "waiting_shares",
]
