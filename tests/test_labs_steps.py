"""The lab step by step, without a browser: real threads in every order of their steps."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.labs.steps import ADD, PROGRAMS, Steps, ends


@pytest.fixture
def steps():
    """Start threads; they are ended with the test."""
    started = []

    def start(program):
        started.append(Steps(program))
        return started[-1]

    yield start
    for lab in started:
        lab.stop()


def play(lab, order):
    """Step threads in an order, by who can, until none can; return the last state."""
    state = lab.state()
    for choice in order:
        able = [number for number, thread in enumerate(state.threads) if thread.can_step]
        if not able:
            break
        state = lab.step(able[choice % len(able)])
    return state


def test_a_lost_update_is_made_by_hand(steps):
    lab = steps("no lock")
    for number in (0, 1, 0, 1, 0, 1):
        state = lab.step(number)
    assert (state.finished, state.counter, state.lost) == (True, 1, 1)


def test_one_thread_after_the_other_loses_nothing(steps):
    state = play(steps("no lock"), [0] * 6)
    assert (state.counter, state.lost) == (2, 0)


def test_at_a_lock_that_is_held_a_real_thread_waits_and_goes_on_when_it_is_free(steps):
    lab = steps("one lock")
    lab.step(0)
    state = lab.step(1)
    assert (state.threads[1].waits_for, state.holders) == ("a", {"a": 0})
    assert not state.threads[1].can_step
    with pytest.raises(ValueError, match="number: expected a thread that has a next step, got 1"):
        lab.step(1)
    for _ in range(4):
        state = lab.step(0)
    assert (state.holders, state.threads[1].done, state.threads[1].waits_for) == ({"a": 1}, 1, "")


def test_a_deadlock_is_made_by_hand_and_can_be_left(steps):
    lab = steps("two locks, taken crosswise")
    for number in (0, 1, 0, 1):
        state = lab.step(number)
    assert state.deadlock
    assert [thread.waits_for for thread in state.threads] == ["b", "a"]
    before = threading.active_count()
    lab.stop()
    end = time.monotonic() + 5
    while threading.active_count() > before - 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before - 2, "the threads have ended"


@pytest.mark.parametrize("program", PROGRAMS)
@given(order=st.lists(st.integers(0, 1), min_size=20, max_size=20))
@settings(max_examples=60, deadline=None)
def test_real_threads_end_in_a_way_that_the_lines_allow(program, order):
    lab = Steps(program)
    try:
        state = play(lab, order)
        assert state.finished or state.deadlock
        assert (state.counter, state.deadlock) in ends(program)
    finally:
        lab.stop()


def all_orders(left=(3, 3), order=()):
    """Return every order of two threads with three steps each."""
    if not any(left):
        return [order]
    return [
        found
        for number in (0, 1)
        if left[number]
        for found in all_orders(tuple(n - (m == number) for m, n in enumerate(left)), (*order, number))
    ]


def test_in_each_of_the_twenty_orders_real_threads_lose_what_the_lines_say(steps):
    found = {}
    for order in all_orders():
        lab = steps("no lock")
        for number in order:
            state = lab.step(number)
        found[state.counter, state.deadlock] = found.get((state.counter, state.deadlock), 0) + 1
        second_read = max(order.index(0), order.index(1))
        first_done = min(max(n for n, who in enumerate(order) if who == w) for w in (0, 1))
        assert state.lost == (second_read < first_done), order
    assert found == ends("no lock") == {(2, False): 2, (1, False): 18}


def test_a_lock_saves_every_order_and_one_order_of_locks_every_deadlock():
    assert set(ends("one lock")) == {(2, False)}
    assert set(ends("two locks, in one order")) == {(2, False)}
    assert {end[1] for end in ends("two locks, taken crosswise")} == {True, False}


def test_wrong_arguments_are_named(steps):
    with pytest.raises(ValueError, match=r"program: expected one of no lock, .*, got 'three'"):
        Steps("three")
    for number in (2, -1, "1"):
        with pytest.raises(ValueError, match="number: expected"):
            steps("no lock").step(number)
    assert len(ADD) == 3
