"""The labs without a browser: their frame, and what is shown of their models."""

import threading
import time

import psutil
import pytest

from helpers.labs import frame, queue_lab, step_by_step
from helpers.labs.crew import Seen
from helpers.labs.frame import Lab
from helpers.labs.queue_lab import html, throughput
from helpers.labs.step_lab import story
from helpers.labs.steps import Steps


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """Return the views that labs have shown; the labs are ended with the test."""
    views = []
    monkeypatch.setattr(frame, "display", lambda view, **_: views.append(view))
    yield views
    for lab in list(frame._running.values()):
        lab.stop()
    frame._running.clear()


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- The frame ---------------------------------------------------------------------------------------


def test_what_is_asked_for_is_done_in_the_labs_own_thread_and_drawn():
    seen, drawn = [], []
    lab = Lab("a", lambda: drawn.append(len(seen)), lambda: None)
    lab.show()
    button = lab.button("Do it", lambda: seen.append(threading.current_thread().name))
    button.click()
    until(lambda: drawn == [0, 1])
    assert seen == ["lab a"]


def test_an_error_is_said_and_the_lab_goes_on():
    done = []
    lab = Lab("a", lambda: None, lambda: None)
    lab.show()
    lab.button("Fail", lambda: 1 / 0).click()
    until(lambda: "ZeroDivisionError: division by zero" in lab._said.value)
    lab.button("Go on", lambda: done.append(1)).click()
    until(lambda: done == [1] and lab._said.value == "")


def test_a_second_lab_of_a_name_ends_the_first_and_no_other():
    ended = []
    for name in ("a", "b", "a"):
        Lab(name, lambda: None, lambda name=name: ended.append(name)).show()
    assert ended == ["a"]


def test_a_lab_that_is_stopped_twice_ends_once():
    ended = []
    lab = Lab("a", lambda: None, lambda: ended.append(1))
    lab.show()
    lab.stop()
    lab.stop()
    assert ended == [1]


def test_a_lab_draws_now_and_then_when_it_is_told_to():
    drawn = []
    Lab("a", lambda: drawn.append(1), lambda: None, every=0.01).show()
    until(lambda: len(drawn) > 5)


def test_where_there_is_no_front_end_a_lab_says_what_it_is(shown):
    Lab("a", lambda: None, lambda: None).show()
    assert shown[0]["text/plain"] == "a lab, a: run this cell in JupyterLab to use it"
    assert "application/vnd.jupyter.widget-view+json" in shown[0]


# --- Step by step ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "order", "words"),
    [
        ("no lock", [], "You are the scheduler."),
        ("no lock", [0, 1, 0, 1, 0, 1], "the counter says 1. One update is lost. Of the 20 orders"),
        ("no lock", [0, 0, 0, 1, 1, 1], "the counter says 2. Of the 20 orders of these steps, 2 end with 2."),
        ("one lock", [0, 1], "Thread 2 waits for lock a, which thread 1 holds."),
        ("two locks, taken crosswise", [0, 1, 0, 1], "Deadlock: each thread waits"),
    ],
)
def test_a_state_in_words(program, order, words):
    steps = Steps(program)
    for number in order:
        steps.step(number)
    assert words in story(steps.state(), program)
    steps.stop()


def test_step_by_step_runs_and_is_run_again_without_a_thread_left():
    before = threading.active_count()
    for _ in range(3):
        step_by_step()
    until(lambda: threading.active_count() <= before + 3)  # the lab's, and the two that it drives


# --- The queue ---------------------------------------------------------------------------------------


def moment(time, done, **more):
    workers = ((1, "works", (7,), 0.5), (2, "gone", (), None))
    values = {"master_up": True, "lease": 2.0, "waiting": 100 - done, "in_work": 0, "shelved": 0} | more
    return Seen(time, put=100, done=done, workers=workers, log=("1.0 s: <b>",), **values)


def test_the_throughput_is_that_of_the_three_seconds_before():
    moments = [moment(t / 2, t * 2) for t in range(20)]
    assert throughput(moments, 9.5) == pytest.approx(4.0)
    assert throughput(moments, 5.0) == pytest.approx(4.0)
    assert throughput(moments[:1], 0.0) == 0.0


def test_what_is_seen_has_counts_leases_and_the_masters_state():
    page = html([moment(0.0, 0), moment(1.0, 40, waiting=58, in_work=2)])
    assert "58 waiting, 2 in work, 40 done, 0 set aside" in page
    assert "task 7" in page
    assert "0.5 s of its lease left" in page
    assert "conic-gradient(#0072B2 25%" in page
    assert "The master is up." in page
    assert "<b>The master is down:</b>" in html([moment(0.0, 0, master_up=False)])
    assert "1.0 s: &lt;b&gt;" in page


def test_the_queue_lab_runs_and_ends_its_processes():
    queue_lab(workers=1)
    lab = frame._running["the queue"]
    crew = lab._end.__self__
    until(lambda: crew.moments and crew.moments[-1].workers)
    pids = [crew._master.pid, *(member.pid for member in crew._members)]
    queue_lab(workers=1)
    assert not any(psutil.pid_exists(pid) for pid in pids)
