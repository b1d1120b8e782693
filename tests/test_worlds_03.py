"""The worlds in which a claim of chapters 03 and 03b is confirmed, and those in which it is not."""

from types import SimpleNamespace

import pytest
from test_worlds import evidence, trace

from helpers.experiments.limits import Crowd, Wait
from helpers.measure import Comparison


def crowd(threads=128, rate=4000.0, client=0.95, server=0.4, others=0.0):
    """Return what so many threads fetched in a second, and the cores that each side kept busy."""
    return Crowd(threads, rate, 1.0, client, server, others)


def runs(**most):
    """Return runs with so many jobs at once."""
    return {way: SimpleNamespace(most_at_once=number) for way, number in most.items()}


SLOW, QUICK = Wait(0.5, 0.501, 0.0006), Wait(0.001, 0.0016, 0.0003)
FULL, FIRST = {"last": crowd()}, crowd(threads=1, rate=350, client=0.1)
HELD = ([0.0, 0.1, 0.5], (0.11, 0.49))  # no tick during the call
FREE = ([0.01 * n for n in range(60)], (0.105, 0.495))
THREE = {"threads": 32, "processes": 32, "asyncio": 32}

WORLDS = [  # the claim, a world in which it is true, and one in which it is not
    ("03_", "a fetch waits nine tenths of its time", {"ten": trace(0.01)}, {"ten": trace(0.2)}),
    ("03_", "of a slow fetch, ninety-nine per cent is waiting",
     {"slow": SLOW}, {"slow": Wait(0.5, 0.501, 0.02)}),
    ("03_", "of a quick fetch, less is waiting",
     {"fast": QUICK}, {"fast": Wait(0.001, 0.0016, 0.00001)}),
    ("03_", "fifty fetches can be under way at the same moment",
     {"fifty": SimpleNamespace(most_at_once=50)}, {"fifty": SimpleNamespace(most_at_once=49)}),
    ("03_", "fifty at once take less time than ten in turn",
     {"fifty": SimpleNamespace(wall=0.07), "one": SimpleNamespace(wall=0.05)},
     {"fifty": SimpleNamespace(wall=2.5), "one": SimpleNamespace(wall=0.05)}),
    ("03_", "a large crowd is far from ideal",
     {"last": crowd(), "first": FIRST}, {"last": crowd(rate=128 * 300), "first": FIRST}),
    ("03_", "the limit is a core that the client fills", FULL, {"last": crowd(client=0.5)}),
    ("03_", "the limit is a core that the client fills", FULL, {"last": crowd(client=0.9, server=1.0)}),
    ("03_", "a call that blocks holds up all other tasks",
     {"rows": {"loop": HELD, "thread": FREE}}, {"rows": {"loop": FREE, "thread": FREE}}),
    ("03_", "called in a thread, it lets them go on",
     {"rows": {"loop": HELD, "thread": FREE}}, {"rows": {"loop": HELD, "thread": HELD}}),
    ("03_", "threads, processes and tasks all wait together", {"least": 32}, {"least": 1}),
    ("03_", "a waiting process takes many times the memory of a task or thread",
     {"memory": {"task": 900, "thread": 14_000, "spawn": 14_000_000}},
     {"memory": {"task": 900, "thread": 2_000_000, "spawn": 14_000_000}}),
    ("03b_", "a fetch in C saves no twentieth",
     {"gain": Comparison((0.99,) * 20, 0.95)}, {"gain": Comparison((0.5,) * 20, 0.95)}),
    ("03b_", "no language saves a fetch a twentieth",
     {"alone": Wait(0.1, 0.101, 0.0006)}, {"alone": Wait(0.1, 0.2, 0.1)}),
    ("03b_", "in a crowd, C takes less CPU time",
     {"python": crowd(), "each": 0.00007}, {"python": crowd(), "each": 0.00025}),
    ("03b_", "processes compute side by side", {"cores": 1.9}, {"cores": 1.01}),
    ("03b_", "fetching faster than the cores compute fills a queue",
     {"longest": [4, 37]}, {"longest": [4, 5]}),
    ("03b_", "a bounded queue never holds more than its bound", {"longest": [4, 37]}, {"longest": [5, 37]}),
    ("03b_", "a profiler's top line of a fetch is its wait",
     {"tops": ["1 0.5 {method 'recv_into' of '_socket.socket' objects}", "1 0.2 two_kinds.py:8(add_up)"]},
     {"tops": ["1 0.5 parser.py:7(parse)", "1 0.2 two_kinds.py:8(add_up)"]}),
    ("03b_", "a page whose database is far away waits", {"far": 0.03}, {"far": 0.9}),
    ("03b_", "a page from its own disk computes", {"here": 0.97}, {"here": 0.1}),
]  # fmt: skip


@pytest.mark.parametrize(("chapter", "sentence", "true", "false"), WORLDS, ids=lambda w: str(w)[:30])
def test_a_claim_is_confirmed_by_its_world_and_not_by_another(chapter, sentence, true, false):
    assert evidence(chapter, sentence, **true) is True
    assert evidence(chapter, sentence, **false) is False


UNDECIDED = [
    ("03_", "the limit is a core that the client fills", {"last": crowd(client=0.5, others=1.4)}),
    ("03_", "of a slow fetch, ninety-nine per cent is waiting", {"slow": Wait(0.5, 0.501, 0.0)}),
    ("03_", "of a quick fetch, less is waiting", {"fast": Wait(0.001, 0.0016, 0.0)}),
    ("03b_", "a fetch in C saves no twentieth", {"gain": Comparison((0.9, 1.0) * 10, 0.95)}),
    ("03b_", "no language saves a fetch a twentieth", {"alone": Wait(0.1, 0.101, 0.0)}),
    ("03b_", "in a crowd, C takes less CPU time", {"python": crowd(), "each": 0.0}),
]


@pytest.mark.parametrize(("chapter", "sentence", "world"), UNDECIDED, ids=lambda w: str(w)[:30])
def test_what_a_run_cannot_tell_is_no_evidence_either_way(chapter, sentence, world):
    assert evidence(chapter, sentence, **world) is None
