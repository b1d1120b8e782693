"""The queue lab's model, without a browser: a real master and real workers, driven by calls."""

import random
import time
from collections import Counter

import psutil
import pytest

from helpers import jobs
from helpers.jobqueue import QueueError
from helpers.labs import crew as crew_module
from helpers.labs.crew import Crew


@pytest.fixture(autouse=True)
def short_tasks(monkeypatch):
    monkeypatch.setattr(crew_module, "TERMS", 50_000)


@pytest.fixture
def crew():
    crew = Crew(workers=2, lease=0.5)
    yield crew
    crew.stop()


def until(crew, true, seconds=30.0):
    """Look until something is true, and return what was seen then; each look has to add up."""
    end = time.monotonic() + seconds
    while True:
        seen = crew.look()
        assert seen.waiting + seen.in_work + seen.done + seen.shelved == seen.put, seen
        if true(seen):
            return seen
        assert time.monotonic() < end, crew.moments[-1]
        time.sleep(0.05)


def states(seen):
    return [state for _, state, _, _ in seen.workers]


def is_done(seen):
    return seen.done + seen.shelved == seen.put


def test_tasks_are_put_and_done_and_their_results_are_here(crew):
    crew.put(20)
    seen = until(crew, is_done)
    assert (seen.put, seen.done, states(seen)) == (20, 20, ["idle", "idle"])
    until(crew, lambda seen: len(crew.results) == 20)
    assert crew.results == [jobs.pi_sum(50_000)] * 20
    assert any("20 tasks put" in line for line in seen.log)


def test_a_killed_worker_is_seen_and_its_task_is_done_by_another(crew):
    crew.put(40)
    until(crew, lambda seen: seen.in_work)
    crew.kill(1)
    seen = until(crew, is_done)
    assert (seen.done, states(seen)[0]) == (40, "gone")
    with pytest.raises(ValueError, match="number: expected a worker that is alive, got 1"):
        crew.kill(1)


def test_a_paused_worker_holds_its_task_until_its_lease_runs_out(crew, monkeypatch):
    monkeypatch.setattr(crew_module, "TERMS", 3_000_000)
    crew.put(2)
    until(crew, lambda seen: states(seen) == ["works", "works"])
    crew.pause(1)
    seen = until(crew, lambda seen: states(seen)[0] == "paused" and not seen.workers[0][2])
    crew.wake(1)
    seen = until(crew, is_done)
    assert seen.done == 2
    assert states(seen)[0] != "paused"


def test_a_poisonous_task_kills_workers_and_is_set_aside(crew):
    crew.poison()
    until(crew, lambda seen: states(seen) == ["gone", "gone"])
    crew.add_workers()
    seen = until(crew, is_done)
    assert (seen.shelved, seen.done) == (1, 0)
    until(crew, lambda seen: any("a task set aside: " in line for line in seen.log))


def test_a_master_that_is_killed_and_started_again_loses_nothing(crew):
    crew.put(60)
    until(crew, lambda seen: seen.done > 5)
    crew.kill_master()
    seen = until(crew, lambda seen: True)
    assert not seen.master_up
    with pytest.raises(QueueError, match="the master is not up: start it again first"):
        crew.put(1)
    crew.restart_master()
    assert until(crew, is_done).done == 60
    until(crew, lambda seen: len(crew.results) == 60)
    with pytest.raises(QueueError, match="the master is up: kill it first"):
        crew.restart_master()


def test_a_longer_lease_is_the_masters(crew):
    crew.put(10)
    crew.set_lease(3.0)
    seen = until(crew, lambda seen: any(left and left > 1 for *_, left in seen.workers))
    assert seen.lease == 3.0
    assert until(crew, is_done).done == 10


def test_a_master_that_dies_by_itself_is_noticed(crew):
    psutil.Process(crew._master.pid).kill()
    seen = until(crew, lambda seen: not seen.master_up)
    assert any("the master is gone" in line for line in seen.log)


def test_a_hundred_things_at_random_lose_nothing(crew):
    """Counts add up at every look, whatever is done; in the end every task is done or set aside."""
    chance = random.Random(26)
    tried: Counter[str] = Counter()
    for _ in range(100):
        seen = crew.moments[-1] if crew.moments else crew.look()
        alive = [number for number, state, _, _ in seen.workers if state not in ("gone", "paused")]
        paused = [number for number, state, _, _ in seen.workers if state == "paused"]
        if not seen.master_up:
            act = ("start", crew.restart_master)
        elif len(alive) < 2:
            act = ("add", crew.add_workers)
        else:
            act = chance.choice(
                [
                    ("put", lambda: crew.put(chance.randrange(1, 9))),
                    ("kill", lambda alive=alive: crew.kill(chance.choice(alive))),
                    ("pause", lambda alive=alive: crew.pause(chance.choice(alive))),
                    ("wake", lambda paused=paused: paused and crew.wake(paused[0])),
                    (
                        "poison" if tried["poison"] < 3 else "put",
                        crew.poison if tried["poison"] < 3 else crew.put,
                    ),
                    ("kill master", crew.kill_master),
                ]
            )
        tried[act[0]] += 1
        act[1]()
        until(crew, lambda seen: True)
    if not crew.moments[-1].master_up:
        crew.restart_master()
    end = time.monotonic() + 60
    while not is_done(seen := until(crew, lambda seen: True)):
        assert time.monotonic() < end, seen
        if sum(state in ("works", "idle") for state in states(seen)) < 2:
            crew.add_workers()
        time.sleep(0.1)
    until(crew, lambda seen: len(crew.results) == seen.done)
    assert len(tried) >= 6, tried


def test_nothing_is_left_running(crew):
    crew.put(50)
    crew.pause(1)
    pids = [crew._master.pid, *(member.pid for member in crew._members)]
    crew.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_moments_are_kept_and_thinned_out(crew, monkeypatch):
    monkeypatch.setattr(crew_module, "_MOST", 20)
    for _ in range(40):
        crew.look()
    assert len(crew.moments) <= 20
    times = [seen.time for seen in crew.moments]
    assert times == sorted(times)
    assert times[0] < 2
