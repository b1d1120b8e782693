"""Tiny tasks of one master: all are done, its CPU time is counted, and another thread of it is in the way."""

import pytest

from helpers import machine
from helpers.experiments import ceiling
from helpers.experiments.ceiling import Load


def test_the_figures_of_a_load():
    load = Load(4, 1000, 2.0, 0.5)
    assert (load.rate, load.cores, load.ceiling) == (500, 0.25, 2000)


def test_each_number_of_workers_does_all_tasks():
    loads = ceiling.tiny_tasks([1, 3], 50)
    assert [(load.workers, load.tasks) for load in loads] == [(1, 50), (3, 50)]
    assert all(load.cpu > 0 and 0 < load.seconds < 30 for load in loads)


@pytest.mark.skipif(not machine.gil(), reason="without a GIL no thread waits for another")
def test_a_thread_that_computes_holds_up_all_answers():
    [quiet], [beside] = ceiling.tiny_tasks([2], 200), ceiling.tiny_tasks([2], 20, busy=True)
    assert beside.rate < quiet.rate
    assert beside.cores > quiet.cores * 0.5


@pytest.mark.parametrize(
    ("workers", "tasks", "name"), [([0], 1, "workers"), ([1, 65], 1, "workers"), ([1], 0, "tasks")]
)
def test_arguments_that_make_no_sense(workers, tasks, name):
    with pytest.raises(ValueError, match=f"{name}: expected a whole number"):
        ceiling.tiny_tasks(workers, tasks)
