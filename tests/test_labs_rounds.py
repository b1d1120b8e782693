"""The speed lab without a browser: rounds of real work, and what is shown of them."""

import pytest

from helpers import charts, ways
from helpers.labs import rounds as rounds_module
from helpers.labs.rounds import SIZES, Rounds
from helpers.labs.speed_lab import html, story
from helpers.measure import Speedup
from helpers.traces import Span, Trace, Worker


@pytest.fixture
def doctored(monkeypatch):
    """Let one worker need eight seconds and several four, on a clock of our own."""

    def run(wall, way, *who):
        return lambda work: Trace(way, (Span(0, who[0], 0, 0, wall, wall, wall),), who, 1)

    class Pool:
        def __init__(self, way, workers, start_method):
            self.trace = run(4.0, way, *(Worker(n + 2, n) for n in range(workers)))

        def __enter__(self):
            return self.trace

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(rounds_module.ways, "run", lambda work, way: run(8.0, way, Worker(1, 1))(work))
    monkeypatch.setattr(rounds_module.ways, "pool", Pool)


def test_a_round_compares_one_worker_with_several(doctored):
    rounds = Rounds()
    assert [rounds.run("threads", 2), rounds.run("threads", 2), rounds.run("processes", 4)] == [2.0] * 3
    assert rounds.points == [Speedup("processes", 4, (2.0,)), Speedup("threads", 2, (2.0, 2.0))]
    assert "2 threads: 2.00 times as fast as one worker (2.00 to 2.00 in 2 rounds)." in story(rounds)


def test_another_size_begins_anew(doctored):
    rounds = Rounds()
    rounds.run("threads", 2)
    rounds.choose("tiny")
    assert (rounds.size, rounds.points, rounds.last) == ("tiny", [], None)
    assert story(rounds) == "No round yet: press Run."
    assert html(rounds) == ""
    with pytest.raises(ValueError, match=r"size: expected one of tiny, .*, got 'huge'"):
        rounds.choose("huge")


def test_a_real_round_is_drawn(monkeypatch):
    monkeypatch.setitem(SIZES, "medium", 500)
    rounds = Rounds()
    assert rounds.run("threads", 2) > 0
    page = html(rounds)
    assert page.count("<img ") == 2
    assert 'alt="The last round.' in page
    with pytest.raises(ValueError, match="workers: expected a whole number of at least 1, got 0"):
        rounds.run("threads", 0)


def test_collected_pictures_are_not_shown_and_others_are(monkeypatch):
    shown = []
    monkeypatch.setattr("helpers.charts.style.display", lambda *view, **_: shown.append(view))
    trace = ways.run([int] * 2, "serial")
    with charts.collect() as pictures:
        charts.timeline(trace, "In a lab")
    assert (len(pictures), shown) == (1, [])
    charts.timeline(trace, "In a cell")
    assert len(shown) == 1
