"""The rule of thumb: who should do what kind of job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.experiments.decision import advise


@pytest.mark.parametrize(
    ("arguments", "way", "workers"),
    [
        ((1.0, 100, 4), "processes", 4),
        ((0.9, 3, 8), "processes", 3),
        ((0.1, 100, 4), "threads", 10),
        ((0.1, 5, 4), "threads", 5),
        ((0.005, 10_000, 4), "threads", 200),
        ((0.004, 10_000, 4), "asyncio", 250),
        ((0.0, 50, 1), "threads", 50),
        ((1.0, 1, 4), "serial", 1),
    ],
)
def test_known_cases(arguments, way, workers):
    advice = advise(*arguments)
    assert (advice.way, advice.workers) == (way, workers)


def test_without_the_gil_threads_do():
    assert advise(1.0, 100, 4, gil=False).way == "threads"


@given(st.floats(0, 1), st.integers(1, 10**6), st.integers(1, 256))
def test_never_more_workers_than_help(share, jobs, cores):
    advice = advise(share, jobs, cores)
    assert 1 <= advice.workers <= jobs
    assert advice.way != "processes" or advice.workers <= cores


@pytest.mark.parametrize(
    ("wrong", "name"),
    [((-0.1, 2, 2), "cpu_share"), ((2, 2, 2), "cpu_share"), ((0.5, 0, 2), "jobs"), ((0.5, 2, 1.5), "cores")],
)
def test_wrong_arguments_are_named(wrong, name):
    with pytest.raises(ValueError, match=f"{name}: expected"):
        advise(*wrong)


@pytest.mark.parametrize("jobs", [49, 98, 103, 107])
def test_jobs_that_only_wait_all_have_a_worker(jobs):
    """Though 1 / (1 / 49) is less than 49 to a computer."""
    assert advise(0, jobs, 2).workers == jobs
