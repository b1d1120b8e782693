"""Pictures from data made by hand: what they say, what they are made of, and that nothing breaks them."""

import base64
import inspect
import runpy
import signal
import subprocess
import sys
import traceback
import warnings
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import matplotlib
import nbformat
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from nbconvert.exporters import HTMLExporter, SlidesExporter
from nbformat import v4

from helpers import charts, ways
from helpers.charts import blocks, style, words
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
AT_ONCE = trace(*(span(n, 0.1 * n, 2.0 + 0.1 * n, share=0.0) for n in range(4)), way="asyncio", crew=CREW[:1])
SERVERS = {
    "pre-fork": {"requests per second": 812.0, "private memory (MB)": 44.1, "requests lost in a crash": 1},
    "threaded": {"requests per second": 12_655.0, "requests lost in a crash": 37},
    "hybrid": {"requests per second": 790.0, "private memory (MB)": None, "requests lost in a crash": 0},
}

BOARD = [(5.0, 0, 0, 0), (5.02, 6, 2, 0), (5.2, 3, 2, 3), (5.4, 0, 0, 8)]

CHAOS = trace(span(0, 5.0, 5.2), span(1, 5.0, 5.1, CREW[1]), span(2, 5.3, 5.4, share=0.0))


SENT = {"by the page": (0.5, [0.25, 0.5]), "by a queue": (0.004, [0.1, 0.1])}
TRIES = {"Ann": [(0.1, 451), (0.4, 250)], "Bob": [(0.2, 550)], "Cy": []}


STRIP = "100% of a core"  # the end of the strip that explains the shades


class Picture(NamedTuple):
    """A figure, laid out, and its alt text without the title."""

    figure: Figure
    alt: str


@pytest.fixture
def shown(monkeypatch):
    """Catch what is shown of each picture."""
    caught = []
    monkeypatch.setattr(style, "display", lambda data, raw: caught.append(data))
    return caught


class Images(HTMLParser):
    """The attributes of each picture in some HTML."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))


def image(data):
    """Return the attributes of the one picture that is shown."""
    (only,) = Images(data["text/html"]).found
    return only


@pytest.fixture
def drawn(monkeypatch):
    """Catch the pictures before they become PNGs, which takes most of the time. A warning fails the test."""
    caught = []

    def catch(figure, title, alt):
        figure.draw_without_rendering()
        caught.append(Picture(figure, alt))

    monkeypatch.setattr(style, "_show", catch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield caught


@pytest.fixture
def drawn_title(monkeypatch):
    """Return a function that returns the title that was last drawn."""
    titles, draw = [], style.Figure.suptitle
    monkeypatch.setattr(
        style.Figure,
        "suptitle",
        lambda figure, text, **look: titles.append(text) or draw(figure, text, **look),
    )
    return lambda: titles[-1].replace("\n", " ")


def texts(picture):
    """Return every visible text of a picture."""
    found = picture.figure.findobj(lambda artist: hasattr(artist, "get_text") and artist.get_visible())
    return [artist.get_text().replace("\n", " ") for artist in found if artist.get_text()]


def painted(axes):
    """Return begin, end and colour of every block in a panel, from the left."""
    found = [
        (path.vertices[:, 0].min(), path.vertices[:, 0].max(), tuple(color))
        for area in axes.collections
        if len(area.get_facecolor()) == len(area.get_paths()) and not hasattr(area, "get_segments")
        for path, color in zip(area.get_paths(), area.get_facecolor(), strict=True)
    ]
    return sorted(found)


def boxes(axes):
    """Return where the texts of a panel are: tick labels, axis labels, titles, notes."""
    artists = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label,
               axes.yaxis.label, axes.title, axes._left_title]  # fmt: skip
    return [artist.get_window_extent() for artist in artists if artist.get_visible() and artist.get_text()]


# --- What a picture is made of -----------------------------------------------------------------------


def test_a_picture_is_a_sharp_png_with_an_alt_text_and_its_title(shown):
    assert charts.timeline(TWO, TITLE) is None
    (data,) = shown
    assert set(data) == {"text/html", "text/plain"}
    assert data["text/plain"] == f"picture: {TITLE}"
    seen = image(data)
    kind, _, encoded = seen["src"].partition(",")
    png = base64.b64decode(encoded)
    size = [int.from_bytes(png[at : at + 4]) for at in (16, 20)]  # width and height in a PNG's header
    assert kind == "data:image/png;base64"
    assert png.startswith(b"\x89PNG")
    assert size == [2 * int(seen["width"]), 2 * int(seen["height"])]
    assert seen["width"] == "900"
    assert seen["alt"].startswith(f"{TITLE}. 3 jobs on 2 workers took 400 ms")


@pytest.mark.parametrize(
    "exporter",
    [HTMLExporter(template_name="lab"), HTMLExporter(template_name="classic"), SlidesExporter()],
    ids=["lab", "classic", "slides"],
)
def test_whoever_hears_a_page_hears_the_alt_text(exporter, shown):
    charts.costs({'a "quoted" <name> & more': [1e-6]}, TITLE)
    output = v4.new_output("display_data", shown[0])
    page, _ = exporter.from_notebook_node(v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[output])]))
    (alt,) = [found["alt"] for found in Images(page).found]
    assert alt == f'{TITLE}. Medians and ranges. a "quoted" <name> & more: 1.0 µs (1.0 µs to 1.0 µs).'


def test_the_reader_s_own_style_neither_changes_a_picture_nor_is_changed(shown):
    charts.costs({"call": [1e-6]}, TITLE)
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 3}):
        charts.costs({"call": [1e-6]}, TITLE)
        assert matplotlib.rcParams["font.size"] == 3
    assert shown[0] == shown[1]


def test_an_interrupted_picture_shows_nothing_of_matplotlib(monkeypatch):
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda _: signal.raise_signal(signal.SIGINT))
    show = charts.live_board(TITLE)
    with pytest.raises(KeyboardInterrupt, match="interrupted") as caught:
        show(BOARD, {})
    printed = "".join(traceback.format_exception(caught.value))
    assert f"{Path(matplotlib.__file__).parent}" not in printed
    assert f"{Path(charts.__file__).parent}" in printed


def test_a_long_title_is_wrapped(drawn):
    charts.costs({"call": [1e-6]}, "A long finding, said in full. " * 6)
    assert drawn[0].figure.get_suptitle().count("\n") >= 2


def test_the_readme_s_picture_is_taken_from_a_chapter(shown, tmp_path, monkeypatch):
    run = runpy.run_path(str(Path(__file__).parent.parent / "run.py"))
    charts.timeline(TWO, run["PICTURE"])
    output = v4.new_output("display_data", shown[0])
    chapter = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[output])])
    (tmp_path / "02.ipynb").write_text(nbformat.writes(chapter), "utf-8")
    monkeypatch.setitem(run["save_picture"].__globals__, "NOTEBOOKS", tmp_path)
    run["save_picture"]()
    assert (tmp_path / "timelines.png").read_bytes() == base64.b64decode(
        image(shown[0])["src"].partition(",")[2]
    )


@pytest.mark.parametrize(("evidence", "word"), [(False, "shown"), (None, "decided")])
def test_a_picture_that_does_not_show_its_finding_says_so(evidence, word, shown, drawn_title):
    charts.timeline(TWO, TITLE, shown=evidence)
    (data,) = shown
    said = f"Not {word} by this run: {TITLE}"
    assert data["text/plain"] == f"picture: {said}"
    assert image(data)["alt"].startswith(f"{said}. 3 jobs")
    assert drawn_title() == said


def test_whoever_shows_a_finding_can_say_that_it_is_not_shown():
    asked = {name: inspect.signature(getattr(charts, name)).parameters for name in charts.__all__}
    del asked["live_board"]  # shows what happens, before anybody knows what it will show
    del asked["collect"]  # draws nothing
    assert {name for name, taken in asked.items() if "shown" in taken} == set(asked)
    assert {taken["shown"].default for taken in asked.values()} == {True}


def test_charts_does_not_load_with_helpers_nor_pyplot_with_charts():
    code = """import sys, helpers, helpers.ways; print('matplotlib' in sys.modules)
from helpers import charts; print('matplotlib.pyplot' in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# --- What it says ------------------------------------------------------------------------------------


def test_timeline_tells_workers_jobs_waiting_errors_and_marks(drawn):
    failed = trace(*TWO.spans[:2], span(2, 5.2, 5.3, share=0.0, error="OSError: disk full"), crew=CREW[:3])
    charts.timeline(failed, TITLE, marks={"master killed": 5.25})
    found = texts(drawn[0])
    expected = {
        "process 1",
        "PID 100",
        "process 3",
        "PID 102",
        "1",
        "2",
        "3",
        "master killed",
        STRIP,
    }
    assert expected <= set(found)
    assert "time in ms, from the first job given out" in found
    said = drawn[0].alt
    assert said.startswith("3 jobs on 3 workers took 300 ms, at most 2 at once. CPU time was 75%")
    assert "process 1: 2 jobs, 300 ms, 67% of it CPU time." in said
    assert "process 3: 0 jobs, 0 s." in said
    assert "Job 3 failed: OSError: disk full." in said
    assert "Mark at 250 ms: master killed." in said


def test_no_legend_where_all_had_a_core(drawn):
    charts.timeline(trace(span(0)), TITLE)
    assert STRIP not in texts(drawn[0])


def test_workers_are_named_after_their_way(drawn):
    charts.timeline(trace(span(0), way="threads"), TITLE)
    charts.timeline(trace(span(0), way="serial", crew=CREW[:1]), TITLE)
    charts.timeline(trace(span(0), way="pre-fork"), TITLE)
    assert "thread 2" in texts(drawn[0])
    assert "worker 1" in texts(drawn[1])
    assert "process 2" in texts(drawn[2])


def test_samples_cut_a_block_where_its_worker_began_to_wait():
    halves = span(0, 0.0, 2.0, share=0.5, samples=((1.0, 1.0), (1.001, 1.0)))
    assert blocks.shades([halves], 0.1) == [(0.0, 1.0, 1.0), (1.0, 1.0, 0.0)]
    assert blocks.shades([span(0, share=0.4)], 0.1) == [(0.0, 1.0, 0.4)]


def test_pieces_too_short_for_the_clock_have_a_share_in_common():
    """One of three had all the CPU time that the clock saw, as on Windows, where it counts in large steps."""
    short = [span(n, 0.1 * n, 0.1 * n + 0.1, share=3.0 if n == 1 else 0.0) for n in range(3)]
    assert [share for *_, share in blocks.shades(short, 0.28)] == pytest.approx([1.0] * 3)
    long = span(3, 0.5, 1.0, share=0.0)
    assert [share for *_, share in blocks.shades([*short, long], 0.28)] == pytest.approx([1.0] * 3 + [0.0])
    late = span(4, 1.0, 1.1, share=1.0)
    assert [share for *_, share in blocks.shades([long, late], 0.28)] == pytest.approx([1 / 6] * 2)


def test_no_piece_is_too_narrow_to_be_seen(drawn):
    ticks = tuple((n / 1000, n / 1000) for n in range(1, 10_000))
    charts.timeline(trace(span(0, 0.0, 10.0, samples=ticks)), TITLE)
    assert 500 < sum(len(area.get_paths()) for area in drawn[0].figure.axes[0].collections) <= 702


@pytest.mark.parametrize("share", [0.0, 0.26, 0.5, 1.0])
def test_a_block_is_as_dark_as_its_share_of_a_core(share, drawn):
    charts.timeline(trace(*(span(n, worker=CREW[n], share=share) for n in range(4)), crew=CREW[:4]), TITLE)
    full = style.LOOKS["processes"].color
    shade = to_rgba(style.mix(style.light(full), full, share))
    assert {color for _, _, color in painted(drawn[0].figure.axes[0])} == {shade}
    assert (STRIP in texts(drawn[0])) == (share < 0.9)
    assert f"process 4: 1 job, 1.0 s, {share:.0%} of it CPU time." in drawn[0].alt


def test_gaps_between_blocks_are_those_that_were_measured(drawn):
    charts.timeline(trace(span(0, 0.0, 1.0), span(1, 1.0, 2.0), span(2, 2.5, 3.0), crew=CREW[:1]), TITLE)
    axes = drawn[0].figure.axes[0]
    assert [(begin, end) for begin, end, _ in painted(axes)] == [(0.0, 1.0), (1.0, 2.0), (2.5, 3.0)]
    assert "#ffffff" not in {to_hex(color) for area in axes.collections for color in area.get_edgecolor()}
    starts = [segment[0][0] for lines in axes.collections if hasattr(lines, "get_segments")
              for segment in lines.get_segments()]  # fmt: skip
    assert starts == [0.0, 1.0, 2.5]


def test_the_legend_explains_the_shades_also_where_nothing_else_is_seen(drawn):
    charts.timeline(trace(span(0, share=0.0)), TITLE)
    assert {"0", STRIP} <= set(texts(drawn[0]))


def test_until_shows_the_first_seconds_only(drawn):
    long = trace(span(0, 0.0, 1.0), span(1, 0.0, 9.0, CREW[1]), span(2, 5.0, 6.0, share=0.0, error="late"))
    charts.timeline(long, TITLE, until=2.0, marks={"seen": 1.5, "beyond": 5.0})
    found, axes = texts(drawn[0]), drawn[0].figure.axes[0]
    assert axes.get_xlim()[1] == 2.0
    assert {"seen", "1", "2", "time in s, only the first 2.0 s"} <= set(found)
    assert not {"beyond", "3", STRIP} & set(found)
    assert [text.get_position()[0] for text in axes.texts if text.get_text() == "2"] == [1.0]
    assert drawn[0].alt.startswith("3 jobs on 2 workers took 9.0 s")
    assert drawn[0].alt.endswith("The picture shows the first 2.0 s.")


def test_until_beyond_the_end_changes_nothing(drawn):
    charts.timelines({"one": TWO}, TITLE)
    charts.timelines({"one": TWO}, TITLE, until=60)
    before, after = (picture.figure.axes[0].get_xlim() for picture in drawn)
    assert before == after
    assert texts(drawn[0]) == texts(drawn[1])


def test_jobs_that_overlap_on_one_worker_lie_in_lanes(drawn):
    from helpers.charts.blocks import lanes

    one, two, three = span(0, 0.0, 2.0), span(1, 1.0, 3.0), span(2, 2.0, 4.0)
    assert lanes([three, two, one]) == [[one, three], [two]]
    assert lanes([]) == [[]]
    charts.timeline(AT_ONCE, TITLE)
    numbers = {t.get_text(): t.get_position()[1] for t in drawn[0].figure.axes[0].texts}
    assert numbers["1"] < numbers["2"] < numbers["3"] < numbers["4"]
    assert texts(drawn[0]).count("thread 1") == 1
    assert "4 jobs on 1 worker took 2.3 s, at most 4 at once." in drawn[0].alt


def test_timelines_share_one_time_axis(drawn):
    charts.timelines({"one": trace(span(0, 0.0, 4.0)), "two": TWO}, TITLE)
    panels = drawn[0].figure.axes
    assert {axes.get_xlim() for axes in panels} == {panels[0].get_xlim()}
    assert {"one: 4.0 s", "two: 400 ms"} <= set(texts(drawn[0]))
    assert "one: 1 job on 2 workers took 4.0 s" in drawn[0].alt


def test_cpu_shares_tells_the_percentage(drawn):
    charts.cpu_shares({"sum": trace(span(0)), "sleep": trace(span(0, share=0.05), way="threads")}, TITLE)
    found = texts(drawn[0])
    assert {"sum", "sleep", "100% CPU", "5% CPU", "waiting", "% of the time from start to finish"} <= set(
        found
    )
    assert "sum: 100% CPU time, 0% waiting. sleep: 5% CPU time, 95% waiting." in drawn[0].alt


def test_speedups_has_ideal_cores_and_a_line_a_way(drawn):
    charts.speedups(POINTS, TITLE, cores=2)
    axes = drawn[0].figure.axes[0]
    assert {"ideal", "threads", "processes", "my own", "cores of this computer"} <= set(texts(drawn[0]))
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylabel() == "times as fast as serial"
    assert "processes: 1.0 (0.9 to 1.2) with 1 worker, 1.9 (1.7 to 2.3) with 2 workers" in drawn[0].alt
    assert "this computer has 2 cores." in drawn[0].alt


def test_amdahl_draws_the_law_over_the_measurement(drawn):
    charts.amdahl(POINTS, 0.1, TITLE, cores=2)
    assert {"Amdahl's law with 10% serial", "ideal", "processes", "cores of this computer"} <= set(
        texts(drawn[0])
    )
    law = [line for line in drawn[0].figure.axes[0].lines if len(line.get_xdata()) == 201]
    assert [line.get_ydata()[-1] for line in law] == [pytest.approx(1 / (0.1 + 0.9 / 4))]
    assert "Amdahl's law with 10% serial: at most 1.0 with 1 worker, 1.8 with 2 workers" in drawn[0].alt


def test_crossing_marks_its_value_on_logarithmic_axes(drawn):
    times = {"serial": [0.008, 0.08, 0.8], "processes": [0.011, 0.045, 0.41]}
    charts.crossing([1e-3, 1e-2, 1e-1], times, TITLE, crossing=1.53e-3)
    charts.crossing([2e-3, 3e-3], {"serial": [0.02, 0.03]}, TITLE)
    axes = drawn[0].figure.axes[0]
    assert {axes.get_xscale(), axes.get_yscale()} == {"log"}
    expected = {
        "serial",
        "processes",
        "they cross at 1.5 ms a job",
        "10 ms",
        "time of one job",
        "time of all jobs",
    }
    assert expected <= set(texts(drawn[0]))
    assert "processes: 11 ms with jobs of 1.0 ms, 45 ms with jobs of 10 ms" in drawn[0].alt
    assert drawn[0].alt.endswith("They cross at 1.5 ms a job.")
    assert {"1 ms", "10 ms", "100 ms"} <= set(texts(drawn[1]))  # powers of ten around less than one decade
    assert "cross" not in drawn[1].alt


def test_payloads_shows_sizes_and_times_on_logarithmic_axes(drawn):
    tasks, times = (
        {"bytes": [10_022, 100_000_022], "path": [88, 90]},
        {"bytes": [2e-3, 0.6], "path": [2e-3, 0.07]},
    )
    charts.payloads([10_000, 100_000_000], tasks, times, TITLE)
    upper, lower = drawn[0].figure.axes
    assert {upper.get_xscale(), upper.get_yscale(), lower.get_xscale(), lower.get_yscale()} == {"log"}
    assert [list(line.get_ydata()) for line in upper.lines] == list(tasks.values())
    assert [list(line.get_ydata()) for line in lower.lines] == list(times.values())
    expected = {"bytes", "path", "10 kB", "100 MB", "100 ms", "size of the file", "data on the line"}
    assert {*expected, "time of the task"} <= set(texts(drawn[0]))
    assert "bytes: 10 kB with 10 kB, 100 MB with 100 MB. path: 88 bytes with 10 kB" in drawn[0].alt
    assert drawn[0].alt.endswith("path: 2.0 ms with 10 kB, 70 ms with 100 MB.")


def test_switching_has_a_panel_for_what_it_costs_and_one_for_how_often(drawn):
    charts.switching([8, 2, 4], [57.0, 60.0, 59.0], [900.0, 0.0, None], TITLE, cores=2)
    throughput, switches = drawn[0].figure.axes
    assert throughput.get_ylim()[0] == 0
    assert list(switches.lines[0].get_xdata()) == [2, 8]
    expected = {"95%", "900", "2", "4", "8", "processes", "throughput (% of that with 2)"}
    assert {*expected, "involuntary context switches per second"} <= set(texts(drawn[0]))
    assert "100% with 2. 98% with 4. 95% with 8. Involuntary" in drawn[0].alt
    assert drawn[0].alt.endswith("per second. 0 with 2. 900 with 8.")


def test_switching_without_counts_has_one_panel_and_says_so(drawn):
    charts.switching([2, 4], [1.0, 0.9], [None, None], TITLE, cores=2)
    assert len(drawn[0].figure.axes) == 1
    assert "This system does not tell how often" in drawn[0].alt


def test_scaling_has_plain_numbers_and_its_limit(drawn):
    charts.scaling(
        [Speedup("processes", 2**n, (1.5**n,)) for n in range(8)], TITLE, limit=20, limit_label="bound"
    )
    assert {"1", "2", "64", "128", "ideal", "processes", "bound"} <= set(texts(drawn[0]))
    assert "bound: a line at 20." in drawn[0].alt
    assert "17 (17 to 17) with 128 workers" in drawn[0].alt


def test_labels_at_the_ends_of_lines_do_not_overlap(drawn):
    charts.speedups(POINTS, TITLE, cores=2)
    names = {"ideal", "threads", "processes", "my own"}
    found = [text.get_window_extent() for text in drawn[0].figure.axes[0].texts if text.get_text() in names]
    assert len(found) == 4
    assert not any(a.overlaps(b) for a, b in combinations(found, 2))


def test_costs_are_sorted_and_in_units_for_people(drawn):
    charts.costs({"process": [0.05], "thread": [9e-5, 1e-4, 3e-4]}, TITLE, unit_label="time to start")
    found = texts(drawn[0])
    assert {"100 µs", "50 ms", "time to start, on a logarithmic scale"} <= set(found)
    assert found.index("thread") < found.index("process")
    assert "thread: 100 µs (90 µs to 300 µs). process: 50 ms (50 ms to 50 ms)." in drawn[0].alt


def test_a_logarithmic_axis_has_dots_at_the_medians(drawn):
    charts.costs({"process": [0.05], "thread": [9e-5, 1e-4, 3e-4]}, TITLE)
    charts.bars({"task": 0.88, "spawn": [14_000.0]}, TITLE, axis="memory (KiB)")
    for picture, medians in zip(drawn, ([1e-4, 0.05], [0.88, 14_000.0]), strict=True):
        (axes,) = picture.figure.axes
        assert axes.get_xscale() == "log"
        assert [line.get_xdata().tolist() for line in axes.lines] == [[median] for median in medians]
        assert {line.get_linestyle() for line in axes.lines} == {"None"}
    assert {"0.88", "14,000", "memory (KiB), on a logarithmic scale"} <= set(texts(drawn[1]))
    assert [line.get_marker() for line in drawn[0].figure.axes[0].lines] == ["s", "^"]  # those of their ways


@pytest.mark.parametrize("least", [0, 1])
def test_bars_that_can_be_seen_and_those_with_a_zero_start_at_0(least, drawn):
    charts.bars({"a": least, "b": 1000 if least == 0 else 9}, TITLE, axis="tasks")
    (axes,) = drawn[0].figure.axes
    assert axes.get_xscale() == "linear"
    assert [bar.get_x() for bar in axes.patches] == [0, 0]


def test_bars_are_drawn_from_0_in_the_order_given(drawn):
    charts.bars({"process": [9.0, 9.4, 10.2], "thread": 0.06, "none": 0}, TITLE, axis="memory (MB)")
    found = texts(drawn[0])
    assert found.index("process") < found.index("thread") < found.index("none")
    assert {"9.4", "0.06", "0", "memory (MB)"} <= set(found)
    assert drawn[0].figure.axes[0].get_xlim() == (0, 10.2)
    assert drawn[0].alt == "memory (MB). process: 9.4 (9.0 to 10). thread: 0.06. none: 0."


def test_panels_has_a_panel_a_quantity_and_a_colour_a_thing(drawn):
    charts.panels(SERVERS, TITLE)
    found = texts(drawn[0])
    labels = [axes.get_xlabel().replace("\n", " ") for axes in drawn[0].figure.axes]
    assert labels == ["requests per second", "private memory (MB)", "requests lost in a crash"]
    assert {*SERVERS, "requests per second", "812", "13k", "44", "37", "0"} <= set(found)
    assert found.count("not known") == 2
    for axes in drawn[0].figure.axes:
        assert axes.get_xlim()[0] == 0
    colors = {tuple(bar.get_facecolor()) for axes in drawn[0].figure.axes for bar in axes.patches}
    assert len(colors) == 3
    assert "hybrid. requests per second: 790; private memory (MB): not known;" in drawn[0].alt


def test_panels_fill_rows_and_leave_no_empty_axes(drawn):
    charts.panels({"a": {f"quantity {n}": n for n in range(5)}}, TITLE)
    assert len(drawn[0].figure.axes) == 5


def test_throughput_tells_each_rate(drawn):
    charts.throughput({2: 590.0, 1: 310.4, 4: 12_345.0}, TITLE)
    assert {"310", "590", "12k", "ideal", "workers", "tasks per second"} <= set(texts(drawn[0]))
    assert "1 worker: 310 tasks per second. 2 workers: 590 tasks per second." in drawn[0].alt


def test_throughput_has_a_line_where_the_master_would_be_busy(drawn):
    charts.throughput({1: 10.0, 2: 15.0}, TITLE, ceilings={1: 40.0, 2: 30.0})
    (axes,) = drawn[0].figure.axes
    lines = [line for collection in axes.collections for line in collection.get_segments()]
    assert [(line[0, 1], line[1, 1]) for line in lines] == [(40, 40), (30, 30)]
    assert axes.get_ylim()[1] > 40
    assert "With 2 workers, one core of the master's is enough for 30." in drawn[0].alt
    with pytest.raises(ValueError, match="ceilings: expected numbers of workers"):
        charts.throughput({1: 10.0}, TITLE, ceilings={2: 30.0})


def test_arrivals_rise_to_all_mails_and_tell_how_long_their_sender_waits(drawn):
    charts.arrivals(SENT, TITLE)
    page, queue = drawn[0].figure.axes
    for axes, wait, rises in [(page, 500, [250, 500]), (queue, 4, [100, 100])]:
        shade, line, steps = *axes.patches, *axes.lines
        assert shade.get_width() == line.get_xdata()[0] == pytest.approx(wait)
        assert steps.get_xdata().tolist() == pytest.approx([0, *rises, 500])
        assert steps.get_ydata().tolist() == [0, 1, 2, 2]
    assert {"by a queue: the sender waits 4.0 ms", "the sender waits"} <= set(texts(drawn[0]))
    assert drawn[0].alt == (
        "by the page: the sender waited 500 ms; 2 mails arrived, between 250 ms and 500 ms. "
        "by a queue: the sender waited 4.0 ms; 2 mails arrived, between 100 ms and 100 ms."
    )


def test_attempts_have_a_row_a_mail_and_a_mark_a_try(drawn):
    charts.attempts(TRIES, TITLE)
    (axes,) = drawn[0].figure.axes
    tries = {
        line.get_label(): [pytest.approx(xy) for xy in line.get_xydata().tolist()] for line in axes.lines
    }
    assert tries == {
        "taken (2xx)": [[400, 0]],
        "refused for now (4xx)": [[100, 0]],
        "refused for good (5xx)": [[200, 1]],
    }
    assert {*TRIES, *tries} <= set(texts(drawn[0]))
    assert drawn[0].alt == "Ann: 451 after 100 ms, 250 after 400 ms. Bob: 550 after 200 ms. Cy: no try."


def test_attempts_explain_only_the_answers_that_there_are(drawn):
    charts.attempts({"Ann": [(0.1, 250)]}, TITLE)
    assert {text for text in texts(drawn[0]) if "xx" in text} == {"taken (2xx)"}


def test_a_board_stacks_its_states_to_all_tasks_and_tells_of_kills(drawn):
    charts.board(BOARD, TITLE, kills={101: 5.25})
    (axes,) = drawn[0].figure.axes
    tops = [max(y for _, y in area.get_paths()[0].vertices) for area in axes.collections]
    assert tops == [8, 8, 8] == [axes.get_ylim()[1]] * 3
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx([250])
    assert {"tasks", "waiting", "in work", "done", "a worker is killed"} <= set(texts(drawn[0]))
    assert drawn[0].alt == (
        "After 0 s: 0 waiting, 0 in work, 0 done. After 200 ms: 3 waiting, 2 in work, 3 done. "
        "After 400 ms: 0 waiting, 0 in work, 8 done. Process 101 is killed after 250 ms."
    )


def test_a_board_without_kills_does_not_explain_them(drawn):
    charts.board(BOARD, TITLE)
    assert "a worker is killed" not in texts(drawn[0])
    assert {"waiting", "in work", "done"} <= set(texts(drawn[0]))


def test_a_timeline_under_a_board_ends_a_killed_worker_s_row_with_a_cross(drawn):
    charts.board(BOARD, TITLE, kills={101: 5.25}, trace=CHAOS)
    above, below = drawn[0].figure.axes
    assert above.get_xlim() == below.get_xlim() == (0, pytest.approx(400))
    crosses = [line.get_xydata()[0].tolist() for line in below.lines if line.get_marker() == "X"]
    assert crosses == [pytest.approx([250, 1])]
    hatched = [path for area in below.collections if area.get_hatch() for path in area.get_paths()]
    assert [(path.vertices.min(axis=0)[0], path.vertices.max(axis=0)[0]) for path in hatched] == [
        pytest.approx((100, 250))  # from its last result to its end
    ]
    assert {"process 1", "PID 101", "1", "3", "lost with it"} <= set(texts(drawn[0]))


def test_a_timeline_ends_a_killed_worker_s_row_with_a_cross(drawn):
    charts.timeline(CHAOS, TITLE, kills={101: 5.25})
    charts.timeline(CHAOS, TITLE, kills={101: 5.25}, until=0.2)
    seen, beyond = ([line.get_xydata()[0].tolist() for line in picture.figure.axes[0].lines
                     if line.get_marker() == "X"] for picture in drawn)  # fmt: skip
    assert seen == [pytest.approx([250, 1])]
    assert beyond == []
    assert drawn[0].alt.endswith("Process 101 is killed after 250 ms.")


def test_the_cross_of_a_job_that_failed_stands_where_it_ended(drawn):
    charts.timeline(trace(span(0, 0.0, 1.0), span(1, 1.0, 3.0, CREW[1], error="died")), TITLE)
    (cross,) = [line for line in drawn[0].figure.axes[0].lines if line.get_marker() == "X"]
    assert cross.get_xydata()[0].tolist() == pytest.approx([3.0, 1.0])


def test_in_work_is_solid_on_a_board_also_off_the_core(drawn):
    charts.board(BOARD, TITLE, trace=trace(span(0, 5.0, 5.2, share=0.0)))
    blocks = {color for area in drawn[0].figure.axes[1].collections for color in map(tuple, area.get_fc())}
    assert blocks == {to_rgba(style.LOOKS["processes"].color)}


def test_a_live_board_stays_in_its_place(monkeypatch):
    calls = []
    monkeypatch.setattr(style, "display", lambda data, **rest: calls.append((data, rest)))
    show, other = charts.live_board(TITLE), charts.live_board(TITLE)
    show(BOARD[:1], {})
    show(BOARD, {101: 5.25})
    other(BOARD, {})
    (first, second, third) = (rest for _, rest in calls)
    assert {data["text/plain"] for data, _ in calls} == {f"picture: {TITLE}"}
    assert first["display_id"] == second["display_id"] != third["display_id"]
    assert [rest.get("update", False) for rest in (first, second, third)] == [False, True, False]
    assert image(calls[1][0])["alt"].endswith("Process 101 is killed after 250 ms.")


def test_every_way_has_a_look_of_its_own():
    for names in (ways.ALL_WAYS, ("fork", "forkserver", "spawn")):
        for looks in zip(*(style.LOOKS[name][:2] for name in names), strict=True):
            assert len(set(looks)) == len(names)
    assert list(style.looks(["a", "threads", "b"]).values()) == [
        style.FURTHER[0],
        style.LOOKS["threads"],
        style.FURTHER[1],
    ]


def test_every_way_has_a_name_for_its_workers():
    assert set(ways.ALL_WAYS) <= set(blocks._WORKER_NAMES)


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


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (88, "88 bytes"),
        (999, "999 bytes"),
        (999.9, "1 kB"),
        (10_000, "10 kB"),
        (1.5e6, "1.5 MB"),
        (1e9, "1,000 MB"),
    ],
)
def test_sizes_in_words(size, text):
    assert words.data(size) == text


@pytest.mark.parametrize(
    ("number", "text", "on_an_axis"),
    [(0, "0", "0"), (0.5, "0.5", "0.5"), (7, "7", "7"), (7.0, "7.0", "7"), (2500.0, "2,500", "2500")]
    + [(n, t, t) for n, t in ((9999.6, "10k"), (2e6, "2.0M"), (34e6, "34M"), (5e9, "5.0G"))],
)
def test_numbers_in_few_characters(number, text, on_an_axis):
    assert words.compact(number) == text
    assert words.plain(number) == on_an_axis


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
    "one bar": lambda: charts.bars({"thread": 0}, TITLE, axis="MB"),
    "bars far apart": lambda: charts.bars(
        {f"{n} {'name ' * n}": [10.0 ** (2 * n - 12), 0] for n in range(12)}, TITLE, axis="bytes"
    ),
    "one panel": lambda: charts.panels({"a": {"n": 1e-9}}, TITLE),
    "many panels": lambda: charts.panels(
        {f"server {n}": {f"quantity {k} " * 3: 10.0 ** (n + k) for k in range(4)} for n in range(6)}, TITLE
    ),
    "nothing known": lambda: charts.panels({"a": {"n": None}}, TITLE),
    "a law of nothing": lambda: charts.amdahl(ONE, 0, TITLE, cores=1),
    "all serial": lambda: charts.amdahl(POINTS, 1, TITLE, cores=64),
    "a crossing far away": lambda: charts.crossing([1e-9], {"a": [1e-9], "b": [1e5]}, TITLE, crossing=1e3),
    "one payload": lambda: charts.payloads([1], {"a": [1]}, {"a": [1e-9]}, TITLE),
    "payloads far apart": lambda: charts.payloads(
        [1, 1e15], {f"a long name {n}": [1, 10.0 ** (3 * n)] for n in range(6)}, {"a": [1e-9, 1e5]}, TITLE
    ),
    "many processes": lambda: charts.switching(
        [2**n for n in range(13)], [1e-9] * 13, [10.0 ** (n - 3) for n in range(13)], TITLE, cores=4096
    ),
    "one count": lambda: charts.switching([1], [1e9], [0], TITLE, cores=1),
    "64 workers, a moment": lambda: charts.timeline(
        trace(*(span(n, worker=Worker(1, n)) for n in range(64)), way="threads"), TITLE, until=1e-9
    ),
    "a hundred jobs at once": lambda: charts.timelines(
        {"x": trace(*(span(n, n / 1e3) for n in range(100)), crew=CREW[:1]), "y": AT_ONCE}, TITLE
    ),
    "an empty board": lambda: charts.board([(1.0, 0, 0, 0)], TITLE),
    "a board of a day, a crowd, many kills": lambda: charts.board(
        [(n * 900.0, 10**6 - n, n % 3, n) for n in range(96)],
        TITLE * 3,
        kills={100 + n: 1.0 + n / 2 for n in range(12)},
        trace=MANY,
    ),
    "a worker that dies late, having done nothing": lambda: charts.timeline(
        TWO, TITLE, kills={100: 9.0, 7: 8.0}
    ),
    "no mail": lambda: charts.arrivals({"a": (0, [])}, TITLE),
    "one mail": lambda: charts.arrivals({"a long name " * 9: (1e-9, [86400])}, TITLE * 3),
    "many mails": lambda: charts.arrivals({f"run {n}": (n, [1e-3] * 10**n) for n in range(5)}, TITLE),
    "one try": lambda: charts.attempts({"a": [(0, 200)]}, TITLE),
    "many tries": lambda: charts.attempts(
        {f"customer{n}@example.org": [(2.0**k, 400 + k) for k in range(n)] for n in range(50)}, TITLE
    ),
    "one rate": lambda: charts.throughput({1: 0.01}, TITLE),
    "rates far apart": lambda: charts.throughput({2**n: 10.0**n for n in range(9)}, TITLE),
}


def test_in_a_picture_that_would_be_too_high_the_highest_part_gives(drawn):
    crowd = trace(*(span(n, worker=Worker(1, n)) for n in range(64)), way="threads", crew=())
    charts.timelines({"one": trace(span(0), crew=CREW[:1]), "many": crowd}, TITLE)
    one, many = (axes.get_window_extent().height for axes in drawn[0].figure.axes)
    assert one > 40 < many / 4
    assert {"thread 1", "thread 64", "process 1", "PID 100"} <= set(texts(drawn[0]))
    assert drawn[0].alt.endswith("The jobs took 1.0 s to 1.0 s each.")
    assert "thread 1" not in drawn[0].alt


def test_ten_workers_in_each_of_two_panels_keep_their_names(drawn):
    crew = trace(*(span(n, worker=CREW[n]) for n in range(10)), crew=CREW[:10])
    charts.timelines({"one": crew, "two": crew}, TITLE)
    assert texts(drawn[0]).count("process 10, PID 109") == 2
    for axes in drawn[0].figure.axes:
        assert not any(a.overlaps(b) for a, b in combinations(boxes(axes), 2))


@pytest.mark.parametrize("draw", EXTREMES.values(), ids=EXTREMES)
def test_extremes_are_drawn_without_a_warning_and_nothing_is_clipped(draw, drawn):
    draw()
    (picture,) = drawn
    width, height = picture.figure.get_size_inches()
    assert width == 9
    assert height <= 6.8  # of a notebook's pane
    assert not [
        axes
        for axes in picture.figure.axes
        if axes.patches and "log" in (axes.get_xscale(), axes.get_yscale())
    ]
    box = picture.figure.get_tightbbox()
    assert box.x0 > -0.01
    assert box.y0 > -0.01
    assert box.x1 < width + 0.01
    assert box.y1 < height + 0.01


def test_texts_do_not_overlap_within_a_panel(drawn):
    charts.bars({f"{n} long name": 10.0**n for n in range(12)}, TITLE, axis="private memory (MB)")
    charts.panels(SERVERS, TITLE)
    charts.switching([1, 2, 4, 8, 16, 32, 64], [1, *[2] * 6], [1, *[900] * 6], TITLE, cores=2)
    charts.crossing([1e-3, 1e-2], {"a": [1, 2], "b": [1, 2], "c": [1, 2]}, TITLE, crossing=2e-3)
    charts.payloads([1e4, 1e5], {"a": [1, 2], "b": [1, 2]}, {"a": [1, 2], "b": [1, 2]}, TITLE)
    charts.timeline(AT_ONCE, TITLE, until=1.0)
    charts.board(BOARD, TITLE, kills={101: 5.25}, trace=CHAOS)
    charts.arrivals(SENT, TITLE)
    charts.attempts(TRIES, TITLE)
    charts.attempts({f"customer{n:02}@example.org": [(n, 250)] for n in range(50)}, TITLE)
    for picture in drawn:
        for axes in picture.figure.axes:
            assert not any(a.overlaps(b) for a, b in combinations(boxes(axes), 2))


@pytest.mark.parametrize(
    ("draw", "error", "text"),
    [
        (lambda: charts.timeline("no trace", TITLE), TypeError, "trace: expected Trace"),
        (lambda: charts.timeline(TWO, ""), ValueError, "title: expected"),
        (lambda: charts.timeline(TWO, TITLE, shown="yes"), TypeError, "shown: expected True, False, or None"),
        (lambda: charts.timeline(TWO, TITLE, marks={"a": "b"}), TypeError, "marks: expected numbers"),
        (lambda: charts.timeline(TWO, TITLE, until=0), ValueError, "until: expected numbers above 0"),
        (lambda: charts.timeline(TWO, TITLE, kills={1: "b"}), TypeError, "kills: expected numbers"),
        (lambda: charts.timelines({"a": TWO}, TITLE, until="1"), TypeError, "until: expected numbers"),
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
        (lambda: charts.bars({}, TITLE, axis="s"), ValueError, "values: expected at least one"),
        (lambda: charts.bars({"a": -1}, TITLE, axis="s"), ValueError, r"values\['a'\]: .* of at least 0"),
        (lambda: charts.bars({"a": "b"}, TITLE, axis="s"), TypeError, r"values\['a'\]: expected numbers"),
        (lambda: charts.panels({"a": 1}, TITLE), TypeError, "rows: expected Mapping"),
        (lambda: charts.panels({"a": {}}, TITLE), ValueError, "rows: expected at least one quantity"),
        (lambda: charts.panels({"a": {"n": -1}}, TITLE), ValueError, "rows, 'n': expected numbers"),
        (lambda: charts.amdahl(POINTS, 1.1, TITLE, cores=2), ValueError, "serial_share: expected 0 to 1"),
        (lambda: charts.amdahl(POINTS, "a", TITLE, cores=2), TypeError, "serial_share: expected numbers"),
        (lambda: charts.crossing([], {"a": []}, TITLE), ValueError, "sizes: expected at least one"),
        (lambda: charts.crossing([1], {"a": [1, 2]}, TITLE), ValueError, r"times\['a'\]: expected 1 number"),
        (
            lambda: charts.crossing([1], {"a": [0]}, TITLE),
            ValueError,
            r"times\['a'\]: expected numbers above",
        ),
        (lambda: charts.crossing([1], {"a": [1]}, TITLE, crossing=0), ValueError, "crossing: expected"),
        (
            lambda: charts.payloads([1], {"a": [1, 2]}, {"a": [1]}, TITLE),
            ValueError,
            r"tasks\['a'\]: expected 1 number",
        ),
        (lambda: charts.payloads([1], {"a": [1]}, {"a": [0]}, TITLE), ValueError, r"times\['a'\]: expected"),
        (lambda: charts.payloads([1], {"a": [1]}, {}, TITLE), ValueError, "times: expected at least one"),
        (
            lambda: charts.switching([2], [1], [1], TITLE, cores=1),
            ValueError,
            "counts: .* number of cores, 1",
        ),
        (lambda: charts.switching([1], [], [1], TITLE, cores=1), ValueError, "throughput: expected 1 number"),
        (lambda: charts.switching([1], [1], 3, TITLE, cores=1), TypeError, "switches: expected a list"),
        (lambda: charts.switching([1], [1], [-1], TITLE, cores=1), ValueError, "switches: expected"),
        (lambda: charts.arrivals({}, TITLE), ValueError, "runs: expected at least one item"),
        (lambda: charts.arrivals({"a": 1}, TITLE), TypeError, "runs: expected tuple"),
        (lambda: charts.arrivals({"a": (-1, [])}, TITLE), ValueError, r"runs\['a'\]: .* of at least 0"),
        (lambda: charts.arrivals({"a": (1, ["b"])}, TITLE), TypeError, r"runs\['a'\]: expected numbers"),
        (lambda: charts.attempts({}, TITLE), ValueError, "mails: expected at least one item"),
        (lambda: charts.attempts({"a": []}, TITLE), ValueError, "mails: expected at least one number"),
        (lambda: charts.attempts({"a": 1}, TITLE), TypeError, "mails: expected Sequence"),
        (lambda: charts.attempts({"a": [(1, "b")]}, TITLE), TypeError, "mails: expected int"),
        (lambda: charts.attempts({"a": [(1, 354)]}, TITLE), ValueError, "mails: expected codes .* got 354"),
        (lambda: charts.board([], TITLE), ValueError, "samples: expected at least one reading"),
        (lambda: charts.board([(1.0, 2)], TITLE), ValueError, "samples: expected 4 numbers, got 2"),
        (lambda: charts.board([(1.0, 2, 3, "4")], TITLE), TypeError, "samples: expected numbers"),
        (lambda: charts.board(BOARD, TITLE, kills={1: None}), TypeError, "kills: expected numbers"),
        (lambda: charts.board(BOARD, TITLE, trace=BOARD), TypeError, "trace: expected Trace"),
        (lambda: charts.throughput({1: 0}, TITLE), ValueError, "rates: expected numbers above 0"),
        (lambda: charts.throughput({1: "fast"}, TITLE), TypeError, "rates: expected numbers"),
    ],
)
def test_bad_data_is_named(draw, error, text, drawn):
    with pytest.raises(error, match=text):
        draw()
    assert not drawn
