"""The same work by ever more processes: what is certain on any computer, however busy it is."""

import multiprocessing
import sys
from contextlib import ExitStack

import psutil
import pytest

from helpers import children, machine
from helpers.experiments import oversubscription


@pytest.fixture(scope="module")
def crowds():
    before = set(psutil.Process().children(recursive=True))
    crowds = oversubscription.crowds(most=8, rounds=2)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert multiprocessing.active_children() == []
    return crowds


def test_a_crowd_is_four_times_the_one_before(crowds):
    sizes = [crowd.processes for crowd in crowds]
    assert sizes == [machine.cores() * 4**step for step in range(len(sizes))]
    assert len(sizes) >= 2
    assert sizes[-1] <= max(8, sizes[1])


def test_there_is_a_figure_for_each_round(crowds):
    for crowd in crowds:
        assert [len(crowd.seconds), len(crowd.speed)] == [2, 2]
        assert min(*crowd.seconds, *crowd.speed) > 0
    first, last = crowds[0], crowds[-1]
    assert first.speed == (1, 1)
    assert last.speed == tuple(a / b for a, b in zip(first.seconds, last.seconds, strict=True))


def test_a_process_of_a_crowd_waits_for_a_core_from_when_it_was_given_its_share(crowds):
    """Even if the first of four has the core until it is done, then the next, they have it for 0.4 of it."""
    for crowd in crowds:
        assert 0 < min(crowd.share) <= max(crowd.share) <= 1.05
    assert min(crowds[1].share) < 0.6


def test_switches_are_counted_where_the_system_counts_them(crowds):
    counted = 0 if sys.platform == "win32" else 2
    assert [len(crowd.switches) for crowd in crowds] == [counted] * len(crowds)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count them")
def test_the_system_takes_the_cores_away_when_there_are_too_few():
    """Each share is many times as long as a process may keep a core when others wait for it."""
    context = multiprocessing.get_context(children.default_start_method())
    with ExitStack() as stack:
        workers = oversubscription._start(context, stack, 4 * machine.cores())
        run = oversubscription._run(workers, oversubscription._terms_for(0.1))
    assert sum(run.values) >= 2 * machine.cores()


@pytest.mark.parametrize(("arguments", "complaint"), [((0, 1), "most: "), ((64, 0), "rounds: ")])
def test_crowds_refuse(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        oversubscription.crowds(*arguments)


def test_fewer_than_cores_are_allowed_still_make_two_crowds():
    crowds = oversubscription.crowds(most=1, rounds=1)
    assert [crowd.processes for crowd in crowds] == [machine.cores(), 4 * machine.cores()]


def test_a_share_that_fails_has_no_time():
    context = multiprocessing.get_context("spawn")
    with (
        children.serving(context, oversubscription._do_shares) as pipe,
        pytest.raises(RuntimeError, match="a job failed: ValueError: terms: expected a whole number"),
    ):
        oversubscription._run([pipe], 0)
