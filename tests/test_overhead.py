"""The crossing of two lines, Amdahl's law, and the runs that they are drawn from."""

import math
from functools import partial

import pytest

from helpers import jobs
from helpers.experiments import overhead
from helpers.experiments.overhead import Sweep

SIZES = (0.001, 0.01, 0.1)


def lines(*seconds: float) -> Sweep:
    """Return a sweep in which serial takes a second for every size."""
    return Sweep(SIZES, {"serial": (1.0, 1.0, 1.0), "processes": seconds})


def test_the_lines_cross_half_way_between_two_sizes():
    assert lines(8.0, 2.0, 0.5).crossing("processes") == pytest.approx(math.sqrt(0.01 * 0.1))


@pytest.mark.parametrize("seconds", [(2.0, 2.0, 2.0), (0.5, 0.5, 0.5), (0.5, 0.5, 2.0)])
def test_lines_that_do_not_cross_for_good(seconds):
    assert lines(*seconds).crossing("processes") is None


def test_a_last_crossing_counts():
    assert lines(0.5, 2.0, 0.5).crossing("processes") > 0.01


def test_a_sweep_times_every_size_and_way():
    sweep = overhead.sweep([10, 1000], count=3)
    assert list(sweep.times) == ["serial", "processes"]
    assert len(sweep.sizes) == 2
    assert sweep.sizes[0] < sweep.sizes[1]
    assert [len(line) for line in sweep.times.values()] == [2, 2]
    assert all(second > 0 for line in sweep.times.values() for second in line)


def test_a_serial_part_is_done_in_every_round():
    calls = []
    small = partial(jobs.pi_sum, 1000)
    points = overhead.with_serial_part([partial(calls.append, 1)], [small] * 3, [1, 2], rounds=2)
    assert [(point.workers, len(point.ratios)) for point in points] == [(1, 2), (2, 2)]
    assert len(calls) == 2 * 3  # all jobs one after another, then with one worker, then with two


def test_jobs_that_fail_have_no_times():
    failing = partial(int, "two")
    with pytest.raises(RuntimeError, match="a job failed: ValueError: terms: expected a whole number"):
        overhead.sweep([10, 0], count=2)
    for serial, parallel in ((failing, jobs.pi_sum), (partial(jobs.pi_sum, 10), failing)):
        with pytest.raises(RuntimeError, match="a job failed: ValueError: invalid literal"):
            overhead.with_serial_part([serial], [parallel], [1], rounds=1)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="terms"):
        overhead.sweep([])
    with pytest.raises(ValueError, match="at least one job of each kind"):
        overhead.with_serial_part([], [jobs.pi_sum], [1])
