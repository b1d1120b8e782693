"""Threads see what the others write and overwrite it; processes do neither."""

import multiprocessing

import pytest

from helpers import machine
from helpers.experiments import sharing


def test_what_threads_write_the_master_sees():
    seen = sharing.signatures("threads", workers=4)
    assert set(seen.seen_by_master) == {span.worker for span in seen.trace.spans}
    assert len(seen.seen_by_master) == 4
    assert max(map(len, seen.seen_by_workers)) == 4  # the last to sign sees all
    assert len(sharing.signatures("threads", workers=2).seen_by_master) == 2  # on a board wiped clean


def test_what_processes_write_nobody_else_sees():
    sharing.board.extend(sharing.signatures("serial", workers=1).seen_by_master)
    seen = sharing.signatures("processes", workers=3)
    assert seen.seen_by_master == ()
    for span, names in zip(seen.trace.spans, seen.seen_by_workers, strict=True):
        assert {name.pid for name in names} == {span.worker.pid}


def test_a_worker_that_cannot_sign_is_an_error(monkeypatch):
    monkeypatch.setattr(sharing, "board", None)
    with pytest.raises(RuntimeError, match="a job failed: AttributeError"):
        sharing._run([sharing.sign], "threads", 1)


@pytest.mark.parametrize(("threads", "times"), [(1, 1), (2, 1), (2, 100), (8, 25)])
def test_of_each_round_one_update_is_left_without_a_lock(threads, times):
    count = sharing.without_lock(threads, times)
    assert count == sharing.Count(added=threads * times, value=times)
    assert count.lost == (threads - 1) * times


@pytest.mark.parametrize(("threads", "times"), [(1, 1), (2, 100), (8, 25)])
def test_none_is_lost_with_a_lock(threads, times):
    assert sharing.with_lock(threads, times) == sharing.Count(threads * times, threads * times)


def test_a_pause_is_between_read_and_write():
    counter = sharing.Counter()
    counter.add_one(pause=lambda: counter.add_one(pause=lambda: None))
    assert counter.value == 1


@pytest.mark.skipif(not machine.gil(), reason="threads run at the same time")
def test_a_plain_plus_loses_nothing_under_the_gil():
    assert sharing.plain_plus().lost == 0


def test_a_plain_plus_loses_no_more_than_was_added():
    assert 0 <= sharing.plain_plus(threads=3, times=1000).lost < 3000


@pytest.mark.parametrize("race", [sharing.without_lock, sharing.with_lock, sharing.plain_plus])
@pytest.mark.parametrize(("arguments", "complaint"), [((0, 1), "threads: "), ((2, 1.5), "times: ")])
def test_a_race_refuses(race, arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        race(*arguments)


@pytest.mark.parametrize(("way", "workers", "complaint"), [("cats", 2, "way: "), ("threads", 0, "workers: ")])
def test_signatures_refuse(way, workers, complaint):
    with pytest.raises(ValueError, match=complaint):
        sharing.signatures(way, workers)


def test_no_process_is_left():
    sharing.signatures("processes", workers=2)
    assert multiprocessing.active_children() == []
