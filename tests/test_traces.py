"""Traces made by hand, with figures that can be checked in the head, and what must hold for any trace."""

from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.traces import Span, Trace, Worker

ANNA, BEN, IDLE = Worker(10, 1), Worker(11, 1), Worker(12, 1)
ALMOST = 1e-9


def span(job, worker, started, finished, cpu, **others):
    times = {"given": started, "returned": finished} | others
    return Span(job, worker, started=started, finished=finished, cpu=cpu, **times)


# Anna computes for 4 s and then waits for 2 s; Ben computes for half of his 4 s, and fails.
#
#    0   1   2   3   4   5   6   7   8   9  10
#    given   |Anna, job 0 ....|Anna, 2|       returned
#                |Ben, job 1 .....|
TWO = Trace(
    "processes",
    (
        span(0, ANNA, 2.0, 6.0, 4.0, given=0.0, value="first"),
        span(1, BEN, 3.0, 7.0, 2.0, error="ValueError: no"),
        span(2, ANNA, 6.0, 8.0, 0.0, returned=10.0, value="third"),
    ),
    workers=(ANNA, BEN, IDLE),
    master=10,
    window=1.0,
)


def test_figures_of_a_trace():
    assert TWO.start == 0.0
    assert TWO.wall == 10.0
    assert TWO.cpu == 6.0
    assert TWO.cpu_share == 6.0 / 10.0
    assert TWO.cores_busy == 6.0 / 10.0
    assert TWO.peak_cores_busy == 1.0 + 0.5
    assert TWO.most_at_once == 2
    assert TWO.pids == {10, 11, 12}
    assert TWO.values == ["first", None, "third"]
    assert TWO.errors == {1: "ValueError: no"}
    assert repr(TWO) == "<Trace of 3 jobs by processes: 3 workers, 10 s, 1 failed>"


def test_a_trace_with_a_failed_job_gives_no_times_to_who_asks_for_good_ones():
    with pytest.raises(RuntimeError, match=r"^a job failed: ValueError: no$"):
        TWO.raise_for_errors()
    good = replace(TWO, spans=TWO.spans[::2])
    assert good.raise_for_errors() is good


def test_jobs_that_take_turns_on_one_thread_keep_one_core_busy():
    first = span(0, ANNA, 0.0, 4.0, 2.0, samples=((1.0, 1.0), (3.0, 1.0)))
    second = span(1, ANNA, 1.0, 3.0, 2.0)
    assert Trace("asyncio", (first, second), (ANNA,), master=10, window=1.0).peak_cores_busy == 1.0


def test_figures_of_a_span():
    anna, ben, waiting = TWO.spans
    assert [s.seconds for s in TWO.spans] == [4.0, 4.0, 2.0]
    assert (anna.cpu_share, ben.cpu_share, waiting.cpu_share) == (1.0, 0.5, 0.0)
    assert span(0, ANNA, 1.0, 1.0, 0.0).cpu_share == 0.0


def test_time_zero_is_not_when_the_clock_began():
    late = Trace("serial", (span(0, ANNA, 105.0, 107.0, 1.0, given=104.0),), (ANNA,), 10)
    assert late.start == 104.0
    assert late.wall == 3.0


def test_a_job_that_starts_as_another_finishes_does_not_overlap_it():
    relay = Trace("threads", (span(0, ANNA, 0.0, 1.0, 0.0), span(1, BEN, 1.0, 2.0, 0.0)), (ANNA, BEN), 10)
    assert relay.most_at_once == 1


def test_jobs_that_never_ran_were_not_at_work():
    died = Trace(
        "processes", tuple(span(n, Worker(0, 0), 5.0, 5.0, 0.0, given=1.0) for n in range(3)), (), 10
    )
    assert died.most_at_once == 0
    assert died.cpu_share == died.cores_busy == died.peak_cores_busy == 0.0
    assert died.wall == 4.0
    assert replace(died, spans=(span(0, ANNA, 5.0, 5.0, 0.0),)).cores_busy == 0.0


def test_samples_tell_when_the_core_was_busy():
    """Two jobs of 4 s, each busy in one second only: the second one at the same moment, or at another."""
    busy_in_second_0 = span(0, ANNA, 0.0, 4.0, 1.0, samples=((1.0, 1.0),))
    same = span(1, BEN, 0.0, 4.0, 1.0, samples=((1.0, 1.0),))
    other = span(1, BEN, 0.0, 4.0, 1.0, samples=((2.0, 0.0), (3.0, 1.0)))
    together = Trace("threads", (busy_in_second_0, same), (ANNA, BEN), 10, window=1.0)
    in_turns = Trace("threads", (busy_in_second_0, other), (ANNA, BEN), 10, window=1.0)
    assert together.cores_busy == in_turns.cores_busy == 0.5
    assert together.peak_cores_busy == 2.0
    assert in_turns.peak_cores_busy == 1.0


def test_a_short_burst_at_the_beginning_counts():
    burst = span(0, ANNA, 0.0, 0.5, 0.5)
    waiting = span(1, BEN, 8.0, 9.0, 0.0)
    assert Trace("threads", (burst, waiting), (ANNA, BEN), 10, window=1.0).peak_cores_busy == 0.5


def test_a_run_shorter_than_the_window_has_its_average_as_its_peak():
    short = Trace("serial", (span(0, ANNA, 0.1, 1.0, 0.45),), (ANNA,), 10, window=5.0)
    assert short.peak_cores_busy == pytest.approx(0.5)


def test_a_longer_window_hardly_shows_what_is_short():
    """A thread that waits for ten seconds is said to have worked in one of them, as the other did."""
    working = span(0, ANNA, 0.0, 10.0, 10.0)
    waiting = span(1, BEN, 0.0, 10.0, 1.0, samples=((4.0, 0.0), (5.0, 1.0)))
    run = Trace("threads", (working, waiting), (ANNA, BEN), 10, window=1.0)
    assert run.peak_cores_busy == 2.0
    assert run.peak_over(5.0) == pytest.approx(1.2)
    assert run.peak_over(99.0) == pytest.approx(1.1)
    assert run.peak_over(0.5) == run.peak_cores_busy
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match=f"seconds: expected more than 0, got {wrong}"):
            run.peak_over(wrong)


@pytest.mark.parametrize("name", ["given", "started", "finished"])
def test_times_that_run_backwards_are_refused(name):
    with pytest.raises(ValueError, match="job 7: given, started, finished, returned must be in this order"):
        replace(span(7, ANNA, 1.0, 2.0, 0.5), **{name: 3.0})


def test_a_trace_without_jobs_is_refused():
    with pytest.raises(ValueError, match="spans: expected at least one job"):
        Trace("serial", (), (ANNA,), 10)


@pytest.mark.parametrize(("thing", "name"), [(ANNA, "pid"), (TWO.spans[0], "cpu"), (TWO, "spans")])
def test_nothing_can_be_changed(thing, name):
    with pytest.raises(FrozenInstanceError):
        setattr(thing, name, 0)


# --- Any trace ---------------------------------------------------------------------------------------

# The same examples on every run, however slow the computer is just now. Coverage, which would take as long
# again as the examples, is left to the traces above.
steady = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

# All times are whole numbers of 1/1024 s, so that sums and differences are exact.
ticks = st.integers(0, 4096).map(lambda n: n / 1024)
share = st.integers(0, 8).map(lambda n: n / 8)
stretches = st.lists(st.tuples(ticks, share), min_size=1, max_size=4)  # lengths, and the CPU's part of each


@st.composite
def traces(draw):
    """Some workers, each with its jobs one after another, and at least one job in all."""
    crew = [Worker(100 + n, n) for n in range(draw(st.integers(1, 4)))]
    spans = []
    for worker in crew:
        clock = draw(ticks)
        for way_in, way_out, life in draw(st.lists(st.tuples(ticks, ticks, stretches), max_size=4)):
            points = [(clock + way_in, 0.0)]
            for length, part in life:
                points.append((points[-1][0] + length, points[-1][1] + length * part))
            (started, _), *samples, (finished, cpu) = points
            spans.append(
                Span(len(spans), worker, clock, started, finished, finished + way_out, cpu, tuple(samples))
            )
            clock = finished + way_out
    if not spans:
        spans.append(span(0, crew[0], 1.0, 2.0, 0.5))
    return Trace("processes", tuple(spans), tuple(crew), 1, window=draw(st.integers(1, 4096)) / 1024)


FIGURES = (
    "wall", "cpu", "cpu_share", "cores_busy", "peak_cores_busy", "most_at_once",
)  # fmt: skip


def working_time(trace):
    return max(s.finished for s in trace.spans) - min(s.started for s in trace.spans)


@pytest.mark.no_cover
@steady
@given(traces())
def test_order_of_figures(trace):
    assert trace.start <= min(s.started for s in trace.spans)
    assert max(s.seconds for s in trace.spans) <= working_time(trace) <= trace.wall
    assert 0 <= trace.cpu_share <= 1 + ALMOST


@pytest.mark.no_cover
@steady
@given(traces())
def test_bounds_of_most_at_once(trace):
    seconds = sum(s.seconds for s in trace.spans)
    at_work = {s.worker for s in trace.spans if s.seconds}
    assert trace.most_at_once <= len(at_work)
    assert seconds <= trace.most_at_once * working_time(trace)
    assert bool(trace.most_at_once) == bool(at_work)


@pytest.mark.no_cover
@steady
@given(traces())
def test_most_at_once_is_reached_when_some_job_starts(trace):
    running = [sum(s.started <= t.started < s.finished for s in trace.spans) for t in trace.spans]
    assert trace.most_at_once == max(running)


@pytest.mark.no_cover
@steady
@given(traces())
def test_bounds_of_cores_busy(trace):
    assert 0 <= trace.cores_busy <= len({s.worker for s in trace.spans}) + ALMOST


@pytest.mark.no_cover
@steady
@given(traces())
def test_bounds_of_the_peak(trace):
    """So many windows cover the working time; the busiest of them has at least its share."""
    length = working_time(trace)
    assert 0 <= trace.peak_cores_busy <= len({s.worker for s in trace.spans}) + ALMOST
    if length:
        window = min(trace.window, length)
        assert trace.peak_cores_busy * window * ceil(length / window) >= trace.cpu - ALMOST


@pytest.mark.no_cover
@steady
@given(traces())
def test_no_window_is_busier_than_the_peak(trace):
    """Try windows all along the working time, by adding up each job's stretches inside them."""
    first, length = min(s.started for s in trace.spans), working_time(trace)
    window = min(trace.window, length)
    for step in range(9 if length else 0):
        begin = first + (length - window) * step / 8
        used = sum(cpu_between(s, begin, begin + window) for s in trace.spans)
        assert used <= trace.peak_cores_busy * window + ALMOST


def cpu_between(job, begin, end):
    points = [(job.started, 0.0), *job.samples, (job.finished, job.cpu)]
    used = 0.0
    for (t0, cpu0), (t1, cpu1) in pairwise(points):
        if t1 > t0:
            used += (cpu1 - cpu0) * max(0.0, min(t1, end) - max(t0, begin)) / (t1 - t0)
    return used


@pytest.mark.no_cover
@steady
@given(traces(), st.integers(-1000, 1000))
def test_another_time_zero_changes_no_figure(trace, by):
    def shifted(s):
        times = {name: getattr(s, name) + by for name in ("given", "started", "finished", "returned")}
        return replace(s, **times, samples=tuple((at + by, cpu) for at, cpu in s.samples))

    moved = replace(trace, spans=tuple(shifted(s) for s in trace.spans))
    assert moved.start == trace.start + by
    for figure in FIGURES:
        assert getattr(moved, figure) == pytest.approx(getattr(trace, figure)), figure


@pytest.mark.no_cover
@steady
@given(traces(), st.randoms())
def test_the_order_of_the_spans_changes_no_figure(trace, random):
    mixed = replace(trace, spans=tuple(random.sample(trace.spans, len(trace.spans))))
    for figure in FIGURES:
        assert getattr(mixed, figure) == pytest.approx(getattr(trace, figure)), figure
