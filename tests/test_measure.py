"""Fair comparisons: the figures of a speed-up, and when the repetitions stop."""

import os
import threading
from contextlib import nullcontext
from functools import partial
from itertools import chain, cycle, repeat
from math import inf
from random import Random
from types import SimpleNamespace

import pytest

from helpers import measure, ways
from helpers.traces import Span, Trace, Worker

QUICK = [partial(sum, range(100))] * 3


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes only when it is told to."""
    fake = SimpleNamespace(now=100.0)
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: fake.now))
    return fake


def test_figures_of_a_speedup():
    point = measure.Speedup("threads", 2, (1.5, 0.5, 4.0, 2.5))
    assert (point.low, point.median, point.high) == (0.5, 2.0, 4.0)


def test_speedups_has_a_point_for_each_way_and_number_of_workers():
    points = measure.speedups(QUICK, ("threads", "processes"), (1, 2), rounds=4)
    expected = [("threads", 1), ("threads", 2), ("processes", 1), ("processes", 2)]
    assert [(point.way, point.workers) for point in points] == expected
    assert len({len(point.ratios) for point in points}) == 1
    assert len(points[0].ratios) in (3, 4)
    assert all(ratio > 0 for point in points for ratio in point.ratios)


def trace(seconds):
    me = Worker(1, 1)
    return Trace("serial", (Span(0, me, 5.0, 5.0, 5.0 + seconds, 5.0 + seconds, 0.0),), (me,), 1)


def test_speedups_are_serial_seconds_over_those_of_each_way(monkeypatch):
    def pool(way, workers):
        return nullcontext(lambda jobs: trace({"threads": 8.0, "processes": 2.0}[way] / workers))

    monkeypatch.setattr(measure, "ways", SimpleNamespace(run=lambda jobs, way: trace(4.0), pool=pool))
    found = {(p.way, p.workers): p.ratios for p in measure.speedups(QUICK, workers=(1, 2), rounds=3)}
    assert found == {
        ("threads", 1): (0.5,) * 3, ("threads", 2): (1.0,) * 3,
        ("processes", 1): (2.0,) * 3, ("processes", 2): (4.0,) * 3,
    }  # fmt: skip


@pytest.mark.parametrize(("rounds", "done"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_speedups_stops_after_its_rounds_or_after_three_when_time_is_over(rounds, done):
    (point,) = measure.speedups(QUICK, ("threads",), (1,), rounds=rounds, seconds=0)
    assert len(point.ratios) == done


def leave_a_mark(folder):
    (folder / f"{os.getpid()} {threading.get_native_id()}").touch()


@pytest.mark.parametrize("way", ["threads", "processes"])
def test_speedups_compares_serial_with_the_way_it_names(tmp_path, way):
    measure.speedups([partial(leave_a_mark, tmp_path)] * 3, (way,), (1,), rounds=1)
    marks = {mark.name for mark in tmp_path.iterdir()}
    mine = f"{os.getpid()} {threading.get_native_id()}"
    assert mine in marks
    (other,) = marks - {mine}
    assert other.startswith(f"{os.getpid()} ") == (way == "threads")


def test_weak_scaling_gives_each_worker_the_same_number_of_jobs(monkeypatch):
    """Two do 8 jobs in 2 s; three do 12 in 4 s, which is three quarters as many a second."""
    given = []

    def pool(way, workers):
        return nullcontext(lambda jobs: given.append(len(jobs)) or trace({2: 2.0, 3: 4.0}[workers]))

    monkeypatch.setattr(measure, "ways", SimpleNamespace(pool=pool))
    points = measure.weak_scaling(QUICK[0], "threads", (2, 3), 4, rounds=2)
    assert points == [measure.Speedup("threads", 2, (2.0,) * 2), measure.Speedup("threads", 3, (1.5,) * 2)]
    assert given == [8, 12] * 2


@pytest.mark.parametrize("wrong", [{"workers": []}, {"jobs_each": 0}, {"rounds": 0}])
def test_weak_scaling_refuses_to_compare_nothing(wrong):
    with pytest.raises(ValueError, match="at least one number of workers, one job each and one round"):
        measure.weak_scaling(**{"job": QUICK[0], "way": "threads", "workers": [1], **wrong})


@pytest.mark.parametrize("wrong", [{"jobs": []}, {"workers": []}, {"rounds": 0}])
def test_speedups_refuses_to_compare_nothing(wrong):
    with pytest.raises(ValueError, match="at least one job, one number of workers and one round"):
        measure.speedups(**{"jobs": QUICK, **wrong})


@pytest.mark.parametrize(
    ("wrong", "text"), [({"way_names": ["magic"]}, "way: "), ({"workers": [0]}, r"workers\[0\]: ")]
)
def test_speedups_refuses_what_no_pool_can_be(wrong, text):
    with pytest.raises(ValueError, match=text):
        measure.speedups(QUICK, **wrong)


# --- A comparison with a bound -----------------------------------------------------------------------


def test_figures_of_a_comparison():
    """With 14 rounds the interval is their whole range, with 13 there is none."""
    ratios = tuple(float(number) for number in (14, 2, 12, 4, 10, 6, 8, 7, 9, 5, 11, 3, 13, 1))
    known = measure.Comparison(ratios, 0.5)
    assert (known.low, known.median, known.high) == (1.0, 7.5, 14.0)
    few = measure.Comparison(ratios[1:], 0.5)
    assert (few.low, few.median, few.high) == (0.0, 7.0, inf)


@pytest.mark.parametrize(
    ("bound", "above"), [(0.9, True), (1.0, None), (2.0, None), (3.0, None), (3.1, False)]
)
def test_a_comparison_is_decided_when_its_interval_lies_on_one_side_of_the_bound(bound, above):
    """Three ratios are enough if half of all verdicts may be wrong: (3 + 1) / 2**3."""
    comparison = measure.Comparison((3.0, 1.0, 2.0), bound, error=0.5, seconds=1.5)
    assert comparison.above is above
    assert comparison.undecided == ("not decided on this machine within 1.5 s" if above is None else "")


def test_a_ratio_that_is_always_the_bound_is_never_decided():
    assert measure.Comparison((1.2,) * 1000, 1.2).above is None


@pytest.mark.parametrize("error", [0.05, 0.001])
def test_at_the_bound_a_verdict_is_as_rare_as_stated_however_often_one_looks(error):
    """Follow a fair coin through 150 looks; ``still`` holds the probability of each number of heads."""
    still, decided = {0: 1.0}, 0.0
    for looks in range(1, 151):
        for heads in range(looks, -1, -1):
            still[heads] = (still.get(heads, 0.0) + still.get(heads - 1, 0.0)) / 2
            ratios = (2.0,) * heads + (0.5,) * (looks - heads)
            if still[heads] and measure.Comparison(ratios, 1.0, error).above is not None:
                decided += still[heads]
                still[heads] = 0.0
    assert sum(still.values()) + decided == pytest.approx(1)
    assert error / 4 < decided < error


def computer(random, ratio, spread=0.0, slow=0.0):
    """Return a baseline, a variant, and their clock, on a computer that exists on paper only.

    A run takes a tenth of a second, longer or shorter by a random factor of about 1 + ``spread``, and three
    times as long with a probability of ``slow``; the variant is quicker by a ``ratio`` drawn for each run.
    """
    now = 0.0

    def run(quicker):
        nonlocal now
        took = 0.1 * random.lognormvariate(0, spread) * (3 if random.random() < slow else 1) / quicker(random)
        now += took
        return took

    return partial(run, lambda random: 1.0), partial(run, ratio), lambda: now


def verdicts(bound, error=0.001, **noise):
    """Compare 2000 times, with 6 s on a new computer each; return how often the verdict was each."""
    random, found = Random(1936), {True: 0, False: 0, None: 0}
    for _ in range(2000):
        baseline, variant, clock = computer(random, **noise)
        found[measure.compare(baseline, variant, bound, error=error, seconds=6, clock=clock).above] += 1
    return found


def two_processes_on_idle_cores(random):
    return random.triangular(1.29, 1.76, 1.76)


def two_threads_beside_busy_neighbours(random):
    return random.triangular(1.0, 1.45, 1.22)


@pytest.mark.no_cover
@pytest.mark.parametrize(("noise", "decided"), [({"spread": 0.05}, 0.99), ({"slow": 0.1}, 0.5)])
@pytest.mark.parametrize(
    ("ratio", "bound", "above"),
    [(two_processes_on_idle_cores, 1.2, True), (two_threads_beside_busy_neighbours, 1.5, False)],
)
def test_with_a_margin_no_verdict_is_wrong(ratio, bound, above, noise, decided):
    found = verdicts(bound, ratio=ratio, **noise)
    assert found[not above] == 0
    assert found[above] >= decided * 2000


@pytest.mark.no_cover
def test_at_the_bound_verdicts_are_as_rare_as_stated():
    found = verdicts(1.2, ratio=lambda random: 1.2, spread=0.1, slow=0.1, error=0.05)
    assert 0 < found[True] + found[False] < 0.05 * 2000


def timed(took, clock):
    """Return a function that takes these seconds, one after another, and the list of those it has taken."""
    runs = []

    def run():
        runs.append(next(took))
        clock.now += runs[-1]
        return runs[-1]

    return run, runs


def test_compare_stops_at_the_verdict(clock):
    baseline, slow = timed(repeat(2.0), clock)
    variant, quick = timed(repeat(1.0), clock)
    found = measure.compare(baseline, variant, 1.5, seconds=1000, clock=lambda: clock.now)
    assert found == measure.Comparison((2.0,) * 14, 1.5, seconds=1000)
    assert found.above
    assert len(slow) == len(quick) == 14 + 1


def test_compare_leaves_out_the_warm_up(clock):
    baseline, _ = timed(chain([90.0], repeat(2.0)), clock)
    variant, _ = timed(repeat(1.0), clock)
    assert measure.compare(baseline, variant, 2.5, clock=lambda: clock.now).ratios == (2.0,) * 14


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 14), (30, 14), (31, 15), (60, 30)])
def test_compare_stops_when_time_is_over_with_as_many_rounds_as_an_interval_needs(clock, seconds, rounds):
    baseline, _ = timed(chain([1.0], cycle([0.5, 1.5])), clock)
    variant, _ = timed(repeat(1.0), clock)
    found = measure.compare(baseline, variant, 1.0, seconds=seconds, clock=lambda: clock.now)
    assert (len(found.ratios), found.above) == (rounds, None)
    assert found.undecided == f"not decided on this machine within {seconds} s"


def test_compare_lets_each_be_first_in_turn():
    order = []
    measure.compare(lambda: order.append("b") or 2.0, lambda: order.append("v") or 1.0, 1.5)
    assert "".join(order) == "vb" + "bvvb" * 7


def test_compare_takes_the_wall_time_of_a_trace():
    assert measure.compare(partial(trace, 3.0), partial(trace, 2.0), 1.0).ratios == (1.5,) * 14


FAILING = partial(int, "two")
FAILED = "^a job failed: ValueError: invalid literal for int"


@pytest.mark.parametrize("jobs", [[FAILING] * 3, [*QUICK, FAILING]])
@pytest.mark.parametrize("way", ["threads", "processes"])
def test_speedups_of_jobs_that_fail_are_none(jobs, way):
    with pytest.raises(RuntimeError, match=FAILED):
        measure.speedups(jobs, (way,), (1,), rounds=1)


def test_speedups_of_jobs_that_fail_in_a_worker_alone_are_none():
    with pytest.raises(RuntimeError, match="a job failed: BrokenProcessPool: "):
        measure.speedups([partial(end_unless, os.getpid())], ("processes",), (1,), rounds=1)


def end_unless(pid):
    if os.getpid() != pid:
        os._exit(1)


def test_weak_scaling_of_a_job_that_fails_is_none():
    with pytest.raises(RuntimeError, match=FAILED):
        measure.weak_scaling(FAILING, "threads", [1, 2], rounds=1)


def test_compare_stops_at_a_job_that_failed():
    failing = partial(ways.run, [partial(int, "two")], "serial")
    with pytest.raises(RuntimeError, match="variant: a job failed: ValueError: invalid literal"):
        measure.compare(partial(ways.run, QUICK, "serial"), failing, 1.0)


@pytest.mark.parametrize("wrong", [None, "2", 0, -1.0, inf])
def test_compare_refuses_what_is_no_time(wrong):
    with pytest.raises(ValueError, match="baseline: expected a function that returns a Trace or seconds"):
        measure.compare(lambda: wrong, lambda: 1.0, 1.0)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"baseline": 1.0}, "baseline: expected a function without arguments, got 1.0"),
        ({"variant": None}, "variant: expected a function without arguments, got None"),
        ({"bound": 0}, "bound: expected a ratio above 0, got 0"),
        ({"error": 1}, "error: expected a probability between 0 and 1, got 1"),
    ],
)
def test_compare_refuses_wrong_arguments(wrong, text):
    with pytest.raises((TypeError, ValueError), match=text):
        measure.compare(**{"baseline": lambda: 2.0, "variant": lambda: 1.0, "bound": 1.5, **wrong})


# --- Again, and the costs of a start -----------------------------------------------------------------


def experiment(clock, results):
    """Take a second for each run; the results come one after another."""
    runs = iter(results)

    def run():
        clock.now += 1.0
        return next(runs)

    return run, runs


def test_again_stops_at_the_first_good_result(clock):
    run, left = experiment(clock, ["bad", "good", "better"])
    assert measure.again(run, lambda result: result != "bad", seconds=60) == "good"
    assert list(left) == ["better"]


def test_again_stops_when_time_is_over_with_the_last_result(clock):
    run, left = experiment(clock, range(10))
    assert measure.again(run, lambda result: False, seconds=3) == 2
    assert next(left) == 3


@pytest.mark.parametrize("seconds", [0, -1])
def test_again_runs_at_least_once(clock, seconds):
    run, left = experiment(clock, ["bad", "good"])
    assert measure.again(run, lambda result: result == "good", seconds=seconds) == "bad"
    assert list(left) == ["good"]
