"""Pictures of waiting: what they say to those who see them and to those who hear them, and bad data."""

import pytest
from test_charts import drawn, texts  # noqa: F401

from helpers import charts
from helpers.experiments.limits import Crowd, Wait

POINTS = [Wait(0.1, 0.101, 0.0005), Wait(0.001, 0.0016, 0.0003), Wait(0.01, 0.011, 0.0004)]
COARSE = [Wait(0.1, 0.101, 0.0), Wait(0.001, 0.0016, 0.0)]
CROWD = [
    Crowd(1, 70, 0.2, 0.02, 0.02, 0.0),
    Crowd(64, 800, 0.21, 0.19, 0.1, 0.0),
    Crowd(8, 400, 0.2, 0.1, 0.06, 0.0),
]
STALL = {
    "in the loop": ([5.0, 5.1, 5.5], (5.11, 5.45)),
    "in a thread": ([7.0, 7.1, 7.2, 7.3, 7.5], (7.11, 7.45)),
}
QUEUES = {"four at most": [(0.0, 0), (0.1, 4), (1.0, 0)], "no bound": [(0.0, 0), (0.1, 37), (1.1, 0)]}


def test_a_curve_of_waiting_has_its_share_where_it_is_reached(drawn):  # noqa: F811
    charts.waiting_shares(POINTS, "Slower", reached=0.06)
    (picture,) = drawn
    assert {"99% from a delay of 60 ms on", "delay of the server"} <= set(texts(picture))
    assert {"90", "99"} <= set(texts(picture))
    assert "81.2% with a delay of 1.0 ms, 300 µs of CPU time." in picture.alt
    assert picture.alt.endswith("99% is reached at 60 ms.")
    upper, lower = picture.figure.axes
    top, bottom = upper.get_ylim()
    assert top > bottom  # less is left to a hundred per cent: higher
    assert lower.get_ylim()[0] == 0


def test_a_share_that_is_not_reached_has_no_mark(drawn):  # noqa: F811
    charts.waiting_shares(COARSE, "Slower", reached=None)
    assert "reached" not in drawn[0].alt
    assert "100% with a delay of 100 ms, 0 s of CPU time." in drawn[0].alt


def test_a_crowd_is_drawn_with_its_limit_and_both_programs(drawn):  # noqa: F811
    charts.crowds(CROWD, "Full")
    (picture,) = drawn
    assert {"a full core", "ideal", "client", "server", "threads"} <= set(texts(picture))
    upper, lower = picture.figure.axes
    (limit,) = (line for line in upper.lines if line.get_linestyle() == ":")
    assert list(limit.get_ydata()) == pytest.approx([70 / 0.02, 400 / 0.1, 800 / 0.19])
    assert max(upper.lines[0].get_ydata()) == pytest.approx(800 / 0.21)  # which the curve is close to
    assert [line.get_ydata()[0] for line in lower.lines if line.get_linestyle() == ":"] == [1]
    assert "64 threads: 3,810 fetches per second, 0.90 cores busy in the client, 0.48" in picture.alt
    assert picture.alt.endswith(" in the server; with one core full, 4,211 per second.")


def test_a_stalled_task_has_no_tick_beside_the_call(drawn):  # noqa: F811
    charts.stalls(STALL, "Stalled")
    (picture,) = drawn
    assert {*STALL, "the call", "time in ms, from the first tick"} <= set(texts(picture))
    assert picture.alt == (
        "in the loop: 3 ticks, 0 of them while the call of 340 ms ran. "
        "in a thread: 5 ticks, 2 of them while the call of 340 ms ran."
    )
    (axes,) = picture.figure.axes
    assert [len(line.get_xdata()) for line in axes.lines] == [3, 5]


def test_a_queue_is_a_line_of_steps(drawn):  # noqa: F811
    charts.queue_lengths(QUEUES, "Bounded", limit=4)
    (picture,) = drawn
    assert {*QUEUES, "in the queue"} <= set(texts(picture))
    assert "no bound: at most 37 in the queue, the last reading after 1.1 s." in picture.alt
    assert {line.get_drawstyle() for line in picture.figure.axes[0].lines[:2]} == {"steps-post"}


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda: charts.waiting_shares([], "T", reached=None), ValueError, "points: expected at least one"),
        (lambda: charts.waiting_shares([1], "T", reached=None), TypeError, "points: expected figures with"),
        (
            lambda: charts.waiting_shares(POINTS, "T", reached=-1),
            ValueError,
            "reached: expected numbers above",
        ),
        (lambda: charts.crowds(5, "T"), TypeError, "points: expected a list"),
        (lambda: charts.crowds(POINTS, "T"), TypeError, "points: expected figures with threads"),
        (lambda: charts.stalls({}, "T"), ValueError, "rows: expected at least one"),
        (lambda: charts.stalls({"a": [1.0]}, "T"), TypeError, "rows: expected tuple"),
        (lambda: charts.stalls({"a": (["x"], (1.0, 2.0))}, "T"), TypeError, "rows: expected numbers"),
        (lambda: charts.queue_lengths({"a": []}, "T"), ValueError, "expected at least one number"),
        (lambda: charts.queue_lengths({"a": 3}, "T"), TypeError, "lengths: expected Sequence"),
    ],
)
def test_bad_data_are_named(draw, error, words):
    with pytest.raises(error, match=words):
        draw()
