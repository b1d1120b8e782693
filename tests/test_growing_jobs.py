"""Jobs of several sizes by a thread and by a process: what is timed, and that nobody is left."""

import multiprocessing

import pytest

from helpers.experiments import growing_jobs


def test_jobs_that_grow_are_timed_by_both_ways():
    growing = growing_jobs.timed(sizes=(1, 2000, 50_000))
    assert growing.alone[0] < growing.alone[1] < growing.alone[2]
    assert {way: len(seconds) for way, seconds in growing.times.items()} == {"threads": 3, "processes": 3}
    assert min(seconds[2] for seconds in growing.times.values()) > growing.times["threads"][0]
    assert (growing.tiny.bound, growing.long.bound) == (2.0, 0.5)
    assert multiprocessing.active_children() == []


def test_sizes_are_whole_numbers():
    with pytest.raises(ValueError, match=r"sizes\[1\]: "):
        growing_jobs.timed((1, 0))
