"""Every picture of the series, in one style: data in, one picture shown, nothing returned.

    charts.timeline(trace, "Two threads take turns")

The title is the finding. A picture's plain text is its title alone, so that CI can compare it; its alt text
is made from the same data as the picture. All times are in seconds. Data of the wrong kind raise TypeError;
no data, or figures that cannot be drawn, raise ValueError.

    style     how everything looks, how a picture is shown
    words     how figures are written, and what is wrong with bad data
    runs      pictures of traces: timeline, timelines, cpu_shares
    figures   pictures of numbers: speedups, scaling, costs, throughput
"""

from helpers.charts.figures import costs, scaling, speedups, throughput
from helpers.charts.runs import cpu_shares, timeline, timelines

__all__ = ["costs", "cpu_shares", "scaling", "speedups", "throughput", "timeline", "timelines"]
