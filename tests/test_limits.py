"""Fetches one by one and in crowds: their clocks, what is said of them, and servers that are no limit."""

import time
from types import SimpleNamespace

import pytest

from helpers import jobs, servers
from helpers.experiments import limits
from helpers.experiments.limits import Crowd, Wait


@pytest.fixture(scope="module")
def url():
    with servers.slow(delay=0) as url:
        yield url


def test_a_fetch_waits_as_long_as_it_asks_the_server_to(url):
    points = limits.waits(jobs.fetch, url, [0.002, 0.05], seconds=0.1)
    assert [point.delay for point in points] == [0.002, 0.05]
    assert all(point.seconds >= point.delay for point in points)
    assert all(0 <= point.cpu < 0.05 and 0 <= point.share <= 1 for point in points)


def test_a_point_is_the_median_of_several_fetches(monkeypatch):
    """The first one, for which there is more to do, is left out, and one that was held up does no harm."""
    clock = SimpleNamespace(now=0.0, cpu=0.0)
    monkeypatch.setattr(limits, "time", SimpleNamespace(
        perf_counter=lambda: clock.now, process_time=lambda: clock.cpu))  # fmt: skip
    took = iter([(9.0, 9.0), (0.1, 0.01), (7.0, 5.0), (0.1, 0.01)])
    asked = []

    def fetch(url):
        asked.append(url)
        wall, cpu = next(took)
        clock.now, clock.cpu = clock.now + wall, clock.cpu + cpu

    (point,) = limits.waits(fetch, "http://a/", [0.1], seconds=0)
    assert (point.seconds, point.cpu) == (pytest.approx(0.1), pytest.approx(0.01))
    assert asked == ["http://a/", *["http://a/?wait=0.1"] * 3]


@pytest.mark.parametrize(
    ("cpu", "waits", "computes"), [(0.0005, True, False), (0.002, False, True), (0.0, None, None)]
)
def test_a_clock_that_has_not_moved_tells_nothing(cpu, waits, computes):
    point = Wait(0.1, 0.1, cpu)
    assert (point.waits(0.99), point.computes(0.01)) == (waits, computes)


LINE = [Wait(0.1, 0.1, 0.0001), Wait(0.001, 0.001, 0.0001), Wait(0.01, 0.01, 0.0001)]  # 99.9, 90, 99 %


@pytest.mark.parametrize(
    ("share", "delay"), [(0.99, 0.01), (0.95, 0.002), (0.999, 0.1), (0.9, 0.001), (0.9995, None)]
)
def test_the_delay_from_which_on_a_share_is_reached(share, delay):
    reached = limits.reaches(LINE, share)
    assert reached == (None if delay is None else pytest.approx(delay))


def test_a_share_that_is_reached_and_lost_again_is_reached_later():
    points = [Wait(0.001, 0.001, 0.0), Wait(0.01, 0.01, 0.005), Wait(0.1, 0.1, 0.0)]
    assert 0.01 < limits.reaches(points, 0.9) < 0.1
    assert limits.reaches([Wait(0, 0.1, 0.09), Wait(0.1, 0.1, 0.0)], 0.9) == 0.1
    assert limits.reaches([], 0.9) is None


def test_a_crowd_counts_all_cpu_time(url):
    points = limits.crowds(jobs.fetch, url, [1, 16], rounds=2)
    assert [point.threads for point in points] == [1, 16]
    for point in points:
        assert point.fetches >= 2 * point.threads
        assert point.rate == pytest.approx(point.fetches / point.seconds)
        assert point.client >= 0
        assert point.server >= 0
        assert point.others >= 0
    assert sum(point.client + point.server for point in points) > 0


def test_the_client_is_the_whole_process(url):
    """Here the job itself adds up numbers, and the server is the idle one."""

    def fetch_and_add(url):
        jobs.fetch(url)
        jobs.pi_sum(5000)

    alone = limits.crowds(jobs.fetch, url, [8], rounds=1)[0]
    more = limits.crowds(fetch_and_add, url, [8], rounds=1)[0]
    assert more.cpu_each > alone.cpu_each
    assert more.limit < alone.limit
    assert more.server_busy < more.client_busy


@pytest.mark.parametrize(
    ("client", "others", "full"),
    [(0.95, 0.0, True), (0.95, 1.5, True), (0.5, 0.0, False), (0.5, 1.2, None)],
)
def test_a_core_that_others_have_taken_is_no_evidence(client, others, full):
    point = Crowd(64, 4000, 1.0, client, 0.4, others)
    assert point.is_full is full
    assert point.limit == pytest.approx(4000 / client)


def test_others_are_all_that_keeps_a_core_from_us(url, monkeypatch):
    """Also those that are nice, and other machines on the same hardware; a system may not know of these."""
    times = iter([SimpleNamespace(user=1.0, system=1.0), SimpleNamespace(
        user=2.0, nice=4.0, system=1.0, steal=8.0, idle=99.0)])  # fmt: skip
    monkeypatch.setattr(limits.psutil, "cpu_times", lambda: next(times))
    (point,) = limits.crowds(jobs.fetch, url, [1], rounds=1)
    assert point.others == pytest.approx(13.0 - point.client - point.server)
    assert point.is_full is not False


def test_an_error_of_a_fetch_ends_the_crowd(url):
    calls = []

    def fail(url):
        calls.append(url)
        raise OSError("no page today")

    with pytest.raises(OSError, match="no page today"):
        limits.crowds(fail, url, [2], rounds=3)
    assert len(calls) <= 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: limits.waits(jobs.fetch, "ftp://a/", [0.1]), "url: expected http://host/path"),
        (lambda: limits.waits(jobs.fetch, "http://a/", []), "delays: expected a list of at least one"),
        (lambda: limits.waits(jobs.fetch, "http://a/", 0.1), "delays: expected a list of at least one"),
        (lambda: limits.waits(jobs.fetch, "http://a/", [0.1, 11]), r"delays\[1\]: expected 0 to 10 seconds"),
        (lambda: limits.waits(jobs.fetch, "http://a/", [0.1], seconds="1"), "seconds: expected 0 to 60"),
        (lambda: limits.crowds(jobs.fetch, "http://a/", [0]), r"threads\[0\]: expected a whole number"),
        (lambda: limits.crowds(jobs.fetch, "http://a/", 8), "threads: expected a list of at least one"),
        (lambda: limits.crowds(jobs.fetch, "http://a/", rounds=0), "rounds: expected a whole number"),
        (lambda: limits.reaches(LINE, 99), "share: expected one between 0 and 1, got 99"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_it_takes_about_as_long_as_it_says(url):
    began = time.perf_counter()
    limits.waits(jobs.fetch, url, [0.01], seconds=0.1)
    assert time.perf_counter() - began < 2
