"""A thousand threads at once: that they are, that all do their share, and what is said where they cannot."""

import pytest

from helpers import machine
from helpers.experiments import compiled, thousands
from helpers.measure import Comparison

pytestmark = pytest.mark.skipif(thousands.lacks() != "", reason=thousands.lacks())


@pytest.fixture(scope="module")
def crowding():
    return thousands.crowding(threads=300, seconds=0.5)


def test_all_have_work_at_one_moment(crowding):
    assert crowding.threads == (machine.cores(), 300)
    assert 150 < crowding.at_once <= 300


def test_every_round_has_its_figures(crowding):
    few, many = crowding.cpu
    assert len(few) == len(many) == len(crowding.compared.ratios) >= 9
    assert all(len(each) == len(few) for each in crowding.switches)
    assert crowding.compared.ratios == tuple(b / a for a, b in zip(few, many, strict=True))
    assert min(few) > 0.01, "a round is work enough to be measured"
    assert crowding.cpu_ms["300 threads"] == [1000 * seconds for seconds in many]


def test_the_few_do_as_much_work_as_the_many(crowding):
    """So the many cannot need much less CPU time: what costs extra is all on their side."""
    assert crowding.compared.median > 0.8


def test_the_shares_are_the_same_work_in_all():
    done = []
    crowd = thousands._Crowd(5, lambda: done.append(1))
    for number in (1, 2):
        assert crowd.run() == crowd.cpu[-1] >= 0
        assert len(done) == 5 * number


@pytest.mark.parametrize(
    ("ratios", "cheap"), [((1.1,) * 20, True), ((2.0,) * 20, False), ((1.1, 2.0) * 10, None)]
)
def test_cheap_is_less_than_half_again(ratios, cheap):
    comparison = Comparison(ratios, 1.5)
    assert thousands.Crowding((2, 1000), ((), ()), 1000, ((), ()), comparison).is_cheap is cheap


def test_what_it_lacks_is_said(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(machine, "capacity", lambda *_: machine.Capacity({"pids.max": 500}))
        assert thousands.lacks(1000) == "needs room for 1000 threads"
        assert thousands.lacks(499) == ""
    monkeypatch.setattr(compiled, "njit", None)
    assert "Numba" in thousands.lacks()


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"threads": 10_001}, {"seconds": -1}])
def test_it_refuses(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name}: expected"):
        thousands.crowding(**wrong)
