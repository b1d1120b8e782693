"""Three servers with a supervisor each: what a crash costs follows from who shares a process with whom."""

import psutil
import pytest

from helpers import servers
from helpers.experiments import webservers
from helpers.experiments.webservers import Crashes, Figures


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left():
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_crash_costs_at_most_those_who_shared_the_process():
    crashes = webservers.crashed(rounds=3)
    assert list(crashes) == list(servers.KINDS)
    for kind, others in {"pre-fork": 0, "hybrid": 1, "threaded": 3}.items():
        assert len(crashes[kind].lost) == len(crashes[kind].outages) == 3
        assert max(crashes[kind].lost) <= others
        assert min(crashes[kind].outages) > 0
    assert crashes["threaded"].cost > 0
    assert crashes["threaded"].newcomers == (True, True, True)
    assert not all(crashes["pre-fork"].newcomers)


def test_the_same_load_for_all_in_turns():
    figures, compared = webservers.under_load(seconds=0.1)
    assert list(figures) == list(servers.KINDS)
    turns = len(compared.ratios) + 1  # the warm-up
    assert [len(figures[kind].rates) for kind in servers.KINDS] == [turns, turns, 5]
    assert figures["threaded"].memory < figures["pre-fork"].memory
    assert min(figure.latency for figure in figures.values()) >= 0.004  # each waits for 0.005 s


def test_what_is_drawn():
    assert Crashes((3, 2), (0.1, 0.3), (True, True)).row == {
        "requests lost in a crash": 2.5,
        "time to the next answer (ms)": pytest.approx(200),
    }
    assert Figures((10.0, 30.0), 2**21, 0.5).row == {
        "answers per second": 20,
        "memory (MiB)": 2,
        "median latency (ms)": 500,
    }


def test_a_server_that_is_not_kept_up_is_an_error(monkeypatch):
    monkeypatch.setattr(webservers, "_WHOLE", 0.1)
    with pytest.raises(RuntimeError, match="a server has not started its worker anew"):
        webservers._await(lambda: False)


def test_rounds_are_a_whole_number():
    with pytest.raises(ValueError, match="rounds: expected"):
        webservers.crashed(rounds=0)
