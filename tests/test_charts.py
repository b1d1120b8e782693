"""Pictures from data made by hand: what they say, what they are made of, and that nothing breaks them."""

import base64
import subprocess
import sys
import warnings

import pytest

from helpers import charts
from helpers.charts import style, words
from helpers.measure import Speedup
from helpers.traces import Span, Trace, Worker

CREW = tuple(Worker(100 + number, number) for number in range(12))
TITLE = "Two processes halve the wait"


def span(job, begin=0.0, end=1.0, worker=CREW[0], share=1.0, error=None, samples=()):
    """Return a job's span; ``share`` is that of its CPU time."""
    return Span(job, worker, begin, begin, end, end, (end - begin) * share, samples, error=error)


def trace(*spans, way="processes", crew=CREW[:2]):
    return Trace(way, spans, crew, master=1)


TWO = trace(span(0, 5.0, 5.2), span(1, 5.0, 5.1, CREW[1]), span(2, 5.1, 5.4, CREW[1], share=0.0))
MANY = trace(
    *(
        span(n, n // 11, n // 11 + 0.9, CREW[n % 11], n % 3 / 2, "OSError: full" if n == 13 else None)
        for n in range(64)
    ),
    span(64, 2.5, 2.5, Worker(0, 0), error="BrokenProcessPool: died"),
    crew=CREW,
)
POINTS = [
    Speedup(way, n, (value * 0.9, value, value * 1.2))
    for way, values in {"threads": (1.0, 1.0, 1.0), "processes": (1.0, 1.9, 2.0), "my own": (1, 1, 1)}.items()
    for n, value in zip((1, 2, 4), values, strict=True)
]
ONE = [Speedup("serial", 1, (1.0,))]


@pytest.fixture
def shown(monkeypatch):
    """Catch what is shown: (data, metadata) of each picture. A warning fails the test."""
    pictures = []
    monkeypatch.setattr(style, "display", lambda data, raw, metadata: pictures.append((data, metadata)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield pictures


@pytest.fixture
def figures(shown, monkeypatch):
    """Catch the figures, drawn."""
    caught = []
    show = style._show
    monkeypatch.setattr(style, "_show", lambda figure, *texts: (show(figure, *texts), caught.append(figure)))
    return caught


def texts(figure):
    """Return every visible text of a drawn figure."""
    found = figure.findobj(lambda artist: hasattr(artist, "get_text") and artist.get_visible())
    return [artist.get_text().replace("\n", " ") for artist in found if artist.get_text()]


def alt(shown):
    return shown[-1][1]["image/png"]["alt"]


# --- What a picture is made of -----------------------------------------------------------------------


def test_a_picture_is_a_sharp_png_and_its_title(shown):
    assert charts.timeline(TWO, TITLE) is None
    (data, metadata) = shown[0]
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == f"picture: {TITLE}"
    png = base64.b64decode(data["image/png"])
    size = [int.from_bytes(png[at : at + 4]) for at in (16, 20)]  # width and height in a PNG's header
    assert png.startswith(b"\x89PNG")
    assert size == [2 * metadata["image/png"]["width"], 2 * metadata["image/png"]["height"]]
    assert metadata["image/png"]["width"] == 900


def test_the_reader_s_own_style_neither_changes_a_picture_nor_is_changed(shown):
    import matplotlib

    charts.costs({"call": [1e-6]}, TITLE)
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 3}):
        charts.costs({"call": [1e-6]}, TITLE)
        assert matplotlib.rcParams["font.size"] == 3
    assert shown[0] == shown[1]


def test_a_long_title_is_wrapped(figures):
    charts.costs({"call": [1e-6]}, "A long finding, said in full. " * 6)
    assert figures[0].get_suptitle().count("\n") >= 2


def test_charts_does_not_load_with_helpers_nor_pyplot_with_charts():
    code = """import sys, helpers, helpers.ways; print('matplotlib' in sys.modules)
from helpers import charts; print('matplotlib.pyplot' in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# --- What it says ------------------------------------------------------------------------------------


def test_timeline_tells_workers_jobs_waiting_errors_and_marks(figures, shown):
    failed = trace(*TWO.spans[:2], span(2, 5.2, 5.3, share=0.0, error="OSError: disk full"), crew=CREW[:3])
    charts.timeline(failed, TITLE, marks={"master killed": 5.25})
    found = texts(figures[0])
    expected = {
        "process 1",
        "PID 100",
        "process 3",
        "PID 102",
        "1",
        "2",
        "3",
        "master killed",
        "on a core",
        "waiting",
    }
    assert expected <= set(found)
    assert "time in ms, from the first job given out" in found
    said = alt(shown)
    assert said.startswith(f"{TITLE}. 3 jobs on 3 workers took 300 ms, at most 2 at once. CPU time was 75%")
    assert "process 1: 2 jobs, 300 ms." in said
    assert "process 3: 0 jobs, 0 s." in said
    assert "Job 3 failed: OSError: disk full." in said
    assert "Mark at 250 ms: master killed." in said


def test_no_legend_where_all_was_on_a_core(figures):
    charts.timeline(trace(span(0)), TITLE)
    assert "waiting" not in texts(figures[0])


def test_workers_are_named_after_their_way(figures):
    charts.timeline(trace(span(0), way="threads"), TITLE)
    charts.timeline(trace(span(0), way="serial", crew=CREW[:1]), TITLE)
    charts.timeline(trace(span(0), way="pre-fork"), TITLE)
    assert "thread 2" in texts(figures[0])
    assert "worker 1" in texts(figures[1])
    assert "process 2" in texts(figures[2])


def test_samples_cut_a_block_where_its_worker_began_to_wait():
    from helpers.charts.runs import _pieces

    halves = span(0, 0.0, 2.0, share=0.5, samples=((1.0, 1.0), (1.001, 1.0)))
    assert list(_pieces(halves, 0.1)) == [(0.0, 1.0, True), (1.0, 1.0, False)]
    assert list(_pieces(span(0, share=0.4), 0.1)) == [(0.0, 1.0, False)]


def test_timelines_share_one_time_axis(figures, shown):
    charts.timelines({"one": trace(span(0, 0.0, 4.0)), "two": TWO}, TITLE)
    panels = figures[0].axes
    assert {axes.get_xlim() for axes in panels} == {panels[0].get_xlim()}
    assert {"one: 4.0 s", "two: 400 ms"} <= set(texts(figures[0]))
    assert "one: 1 job on 2 workers took 4.0 s" in alt(shown)


def test_cpu_shares_tells_the_percentage(figures, shown):
    charts.cpu_shares({"sum": trace(span(0)), "sleep": trace(span(0, share=0.05), way="threads")}, TITLE)
    found = texts(figures[0])
    assert {"sum", "sleep", "100% CPU", "5% CPU", "waiting", "% of the time from start to finish"} <= set(
        found
    )
    assert "sum: 100% CPU time, 0% waiting. sleep: 5% CPU time, 95% waiting." in alt(shown)


def test_speedups_has_ideal_cores_and_a_line_a_way(figures, shown):
    charts.speedups(POINTS, TITLE, cores=2)
    axes = figures[0].axes[0]
    assert {"ideal", "threads", "processes", "my own", "cores of this computer"} <= set(texts(figures[0]))
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylabel() == "times as fast as serial"
    assert "processes: 1.0 (0.9 to 1.2) with 1 worker, 1.9 (1.7 to 2.3) with 2 workers" in alt(shown)
    assert "this computer has 2 cores." in alt(shown)


def test_scaling_has_plain_numbers_and_its_limit(figures, shown):
    charts.scaling(
        [Speedup("processes", 2**n, (1.5**n,)) for n in range(8)], TITLE, limit=20, limit_label="bound"
    )
    assert {"1", "2", "64", "128", "ideal", "processes", "bound"} <= set(texts(figures[0]))
    assert "bound: a line at 20." in alt(shown)
    assert "17 (17 to 17) with 128 workers" in alt(shown)


def test_labels_at_the_ends_of_lines_do_not_overlap(figures):
    charts.speedups(POINTS, TITLE, cores=2)
    figure = figures[0]
    figure.draw_without_rendering()
    names = {"ideal", "threads", "processes", "my own"}
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text() in names]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])


def test_costs_are_sorted_and_in_units_for_people(figures, shown):
    charts.costs({"process": [0.05], "thread": [9e-5, 1e-4, 3e-4]}, TITLE, unit_label="time to start")
    found = texts(figures[0])
    assert {"100 µs", "50 ms", "time to start, on a logarithmic scale"} <= set(found)
    assert found.index("thread") < found.index("process")
    assert "thread: 100 µs (90 µs to 300 µs). process: 50 ms (50 ms to 50 ms)." in alt(shown)


def test_throughput_tells_each_rate(figures, shown):
    charts.throughput({2: 590.0, 1: 310.4, 4: 12_345.0}, TITLE)
    assert {"310", "590", "12k", "ideal", "workers", "tasks per second"} <= set(texts(figures[0]))
    assert "1 worker: 310 tasks per second. 2 workers: 590 tasks per second." in alt(shown)


def test_every_way_has_a_look_of_its_own():
    for ways in (
        ("serial", "threads", "processes", "asyncio", "interpreters"),
        ("fork", "forkserver", "spawn"),
    ):
        for looks in zip(*(style.LOOKS[way][:2] for way in ways), strict=True):
            assert len(set(looks)) == len(ways)
    assert list(style.looks(["a", "threads", "b"]).values()) == [
        style.FURTHER[0],
        style.LOOKS["threads"],
        style.FURTHER[1],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (2e-10, "0.2 ns"),
        (1.5e-6, "1.5 µs"),
        (0.0421, "42 ms"),
        (1, "1.0 s"),
        (86400, "86,400 s"),
        (-0.5, "-500 ms"),
    ],
)
def test_durations_in_words(seconds, text):
    assert words.human(seconds) == text


# --- What must not break it --------------------------------------------------------------------------

INSTANT = trace(span(0, 3.0, 3.0))
EXTREMES = {
    "many jobs, an idle worker, errors": lambda: charts.timeline(
        MANY, TITLE * 4, marks={"a": -1.0, "b": 9.0, "c": 9.0}
    ),
    "a job of no length": lambda: charts.timeline(INSTANT, TITLE),
    "a microsecond": lambda: charts.timeline(trace(span(0, 0.0, 1e-6)), TITLE),
    "a day": lambda: charts.timeline(trace(span(0, 0.0, 86400.0)), TITLE),
    "a moment beside a day": lambda: charts.timelines(
        {"x": INSTANT, "y": trace(span(0, 0.0, 86400.0)), "z": MANY}, TITLE
    ),
    "shares": lambda: charts.cpu_shares({f"a long name, number {n} " * 3: INSTANT for n in range(9)}, TITLE),
    "one speed-up": lambda: charts.speedups(ONE, TITLE, cores=1),
    "a large computer": lambda: charts.speedups(POINTS, TITLE, cores=256),
    "one point": lambda: charts.scaling(ONE, TITLE),
    "far apart": lambda: charts.scaling([*ONE, Speedup("fork", 4096, (1e-3, 4e3))], TITLE, limit=1e5),
    "one cost": lambda: charts.costs({"thread": [1e-3]}, TITLE),
    "costs far apart": lambda: charts.costs({"call": [1e-9], "day": (86400, 1e5)}, TITLE),
    "one rate": lambda: charts.throughput({1: 0.01}, TITLE),
    "rates far apart": lambda: charts.throughput({2**n: 10.0**n for n in range(9)}, TITLE),
}


@pytest.mark.parametrize("draw", EXTREMES.values(), ids=EXTREMES)
def test_extremes_are_drawn_without_a_warning_and_nothing_is_clipped(draw, figures, shown):
    draw()
    figure = figures[0]
    figure.draw_without_rendering()  # at the size at which it is measured
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 > -0.01
    assert box.y0 > -0.01
    assert box.x1 < width + 0.01
    assert box.y1 < height + 0.01
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("draw", "error", "text"),
    [
        (lambda: charts.timeline("no trace", TITLE), TypeError, "trace: expected Trace"),
        (lambda: charts.timeline(TWO, ""), ValueError, "title: expected"),
        (lambda: charts.timeline(TWO, TITLE, marks={"a": "b"}), TypeError, "marks: expected numbers"),
        (lambda: charts.timelines({}, TITLE), ValueError, "traces: expected at least one"),
        (lambda: charts.timelines([TWO], TITLE), TypeError, "traces: expected dict"),
        (lambda: charts.cpu_shares({"a": 1}, TITLE), TypeError, "traces: expected Trace"),
        (lambda: charts.speedups([], TITLE, cores=2), ValueError, "points: expected at least one"),
        (lambda: charts.speedups([1], TITLE, cores=2), TypeError, "points: expected Speedup"),
        (lambda: charts.speedups(1, TITLE, cores=2), TypeError, "points: expected a list"),
        (lambda: charts.speedups(POINTS, TITLE, cores=0), ValueError, "cores: expected numbers above 0"),
        (
            lambda: charts.scaling([Speedup("a", 1, (0.0,))], TITLE),
            ValueError,
            "points: expected numbers above 0",
        ),
        (lambda: charts.scaling(POINTS, TITLE, limit=-1), ValueError, "limit: expected"),
        (lambda: charts.costs({}, TITLE), ValueError, "costs: expected at least one"),
        (lambda: charts.costs({"a": []}, TITLE), ValueError, r"costs\['a'\]: expected at least one"),
        (
            lambda: charts.costs({"a": [float("nan")]}, TITLE),
            ValueError,
            r"costs\['a'\]: expected numbers above 0",
        ),
        (lambda: charts.costs({"a": 3}, TITLE), TypeError, "costs: expected Sequence"),
        (lambda: charts.throughput({1: 0}, TITLE), ValueError, "rates: expected numbers above 0"),
        (lambda: charts.throughput({1: "fast"}, TITLE), TypeError, "rates: expected numbers"),
    ],
)
def test_bad_data_is_named(draw, error, text, shown):
    with pytest.raises(error, match=text):
        draw()
    assert not shown
