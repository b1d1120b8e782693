"""The exercises of chapter 01: starter, solution, and wrong answers with the very message that each gets."""

import multiprocessing
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from helpers.exercises import check, desk, hint

MODULE = """
import os
def square(n):
    return n * n, os.getpid()
"""


@pytest.fixture
def my_work(tmp_path, monkeypatch):
    """Return the module that a learner has written."""
    (tmp_path / "my_work.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_work", raising=False)
    import my_work

    return my_work


# --- A lock ------------------------------------------------------------------------------------------


def add(counter, lock, times):
    for _ in range(times):
        counter.add_one()


def add_with_lock(counter, lock, times):
    for _ in range(times):
        with lock:
            counter.add_one()


def add_with_one_lock_for_all(counter, lock, times):
    with lock:
        for _ in range(times):
            counter.add_one()


def add_and_never_release(counter, lock, times):
    lock.acquire()
    for _ in range(times):
        counter.add_one()


def add_before_the_lock(counter, lock, times):
    for _ in range(times):
        counter.add_one()
        with lock:
            pass


def add_with_own_lock(counter, lock, times):
    lock = threading.Lock()
    for _ in range(times):
        with lock:
            counter.add_one()


def add_once(counter, lock, times):
    with lock:
        counter.add_one()


def change_the_value(counter, lock, times):
    with lock:
        counter.value += times


def add_nothing(counter, lock, times):
    pass


def add_without_waiting(counter, lock, times):
    for _ in range(times):
        held = lock.acquire(blocking=False)
        counter.add_one()
        if held:
            lock.release()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (add, "Not attempted yet: the lock that was handed over was never taken, and updates were"),
        (change_the_value, "Not yet: counter.value was changed from outside; adding is what counter.add_one"),
        (add_nothing, "Not attempted yet: nobody has called counter.add_one()."),
        (add_with_lock, "Correct: four threads added, one at a time, and nothing was lost."),
        (add_with_one_lock_for_all, "Correct: "),
        (
            add_and_never_release,
            "Not yet: a thread took the lock and never gave it back",
        ),
        (add_before_the_lock, "Not yet: the lock was taken, but "),
        (add_without_waiting, "Not yet: the lock was taken, but "),
        (
            add_with_own_lock,
            "Not attempted yet: the lock that was handed over was never taken, and updates were",
        ),
        (add_once, "Not yet: 4 threads were to add 10 times each; add_one was called 4 times, not 40."),
        (len, "Not yet: it is called with 3 arguments, and takes (obj, /): keep the parameters of the"),
    ],
)
def test_a_lock(told, answer, words):
    assert told("01.lock", answer).startswith(words)


# --- An order of locks -------------------------------------------------------------------------------


def move(source, target, amount):
    source.balance -= amount
    target.balance += amount


def transfer_as_asked(source, target, amount):
    with source.lock, target.lock:
        move(source, target, amount)


def transfer_in_order(source, target, amount):
    first, second = sorted([source, target], key=lambda account: account.number)
    with first.lock, second.lock:
        move(source, target, amount)


def transfer_in_order_of_ids(source, target, amount):
    first, second = sorted([source, target], key=id)
    with first.lock, second.lock:
        move(source, target, amount)


def transfer_with_one_lock_twice(source, target, amount):
    with source.lock, source.lock:
        move(source, target, amount)


def transfer_with_one_lock(source, target, amount):
    with source.lock:
        move(source, target, amount)


def transfer_backwards(source, target, amount):
    transfer_in_order(target, source, amount)


def transfer_and_keep(source, target, amount):
    source.lock.acquire()
    target.lock.acquire()
    move(source, target, amount)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda source, target, amount: None, "Not attempted yet: no money has moved."),
        (transfer_in_order, "Correct: "),
        (transfer_in_order_of_ids, "Correct: "),
        (transfer_with_one_lock_twice, "Not yet: one transfer alone waits for ever, for a lock that its own"),
        (transfer_as_asked, "Not yet: from 1 to 2, the locks are taken in the order [1, 2], from 2 to 1"),
        (transfer_with_one_lock, "Not yet: a balance was changed by a thread that did not hold this"),
        (move, "Not yet: a balance was changed by a thread that did not hold"),
        (transfer_backwards, "Not yet: 30 of 100 were to go from account 1 to account 2; now"),
        (transfer_and_keep, "Not yet: a lock was not given back, so the next transfer waits for ever."),
    ],
)  # fmt: skip
def test_an_order_of_locks(told, answer, words):
    assert told("01.order", answer).startswith(words)


# --- A future's end ----------------------------------------------------------------------------------


def attempt(pool, job, seconds):
    future = pool.submit(job)
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        return "too late"
    except Exception as error:
        return type(error).__name__


def attempt_alone(pool, job, seconds):
    try:
        return job()
    except Exception as error:
        return type(error).__name__


def attempt_for_ever(pool, job, seconds):
    try:
        return pool.submit(job).result()
    except Exception as error:
        return type(error).__name__


def attempt_and_name_all(pool, job, seconds):
    try:
        return pool.submit(job).result(timeout=seconds)
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda pool, job, seconds: None, "Not attempted yet: no job was submitted."),
        (attempt, "Correct: "),
        (lambda pool, job, seconds: pool.submit(job), "Not yet: a job that returns 42 was to give 42, and"),
        (lambda pool, job, seconds: pool.submit(job).result(), "Not yet: a job raised KeyError, and so"),
        (lambda pool, job, seconds: 42, "Not yet: the job was not run: give it to the pool"),
        (attempt_for_ever, "Not yet: a job was to be given 0.2 s, and was waited for much longer."),
        (attempt_alone, "Not yet: a job was to be given 0.2 s, and was waited for much longer."),
        (attempt_and_name_all, 'Not yet: a job that takes too long was to give "too late"'),
    ],
)  # fmt: skip
def test_a_futures_end(told, answer, words):
    assert told("01.future", answer).startswith(words)


# --- A pool of processes -----------------------------------------------------------------------------


def test_a_pool_of_processes(told, my_work):
    def squares(numbers):
        with ProcessPoolExecutor(2) as pool:
            return list(pool.map(my_work.square, numbers))

    assert told("01.pool", squares).startswith("Correct: two processes did the work")


def test_a_pool_of_threads_and_no_pool_are_no_processes(told, my_work):
    def by_threads(numbers):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(my_work.square, numbers))

    for answer in (by_threads, lambda numbers: [my_work.square(n) for n in numbers]):
        assert told("01.pool", answer).startswith("Not yet: all eight ran in this notebook's own process")
    assert told("01.pool", lambda numbers: None) == "Not attempted yet: nothing was returned."


def test_a_pool_that_is_never_left_is_noticed_and_ended(told, my_work):
    pools = []

    def squares(numbers):
        pools.append(ProcessPoolExecutor(2))
        return list(pools[0].map(my_work.square, numbers))

    assert "worker processes are still there: leave the pool by a with block." in told("01.pool", squares)
    pools[0].shutdown(wait=False)


def test_the_wrong_order_and_the_wrong_values_are_told(told, my_work):
    def backwards(numbers):
        with ProcessPoolExecutor(2) as pool:
            return list(pool.map(my_work.square, reversed(numbers)))

    assert told("01.pool", backwards).startswith(
        "Not yet: the squares of [0, 1, 2, 3, 4, 5, 6, 7] in their order"
    )
    assert told("01.pool", lambda numbers: [n * n for n in numbers]).startswith(
        "Not yet: a list of what my_work"
    )


# --- The desk ----------------------------------------------------------------------------------------


def test_hints_come_one_by_one_and_the_last_stays(capsys, monkeypatch):
    monkeypatch.setattr(desk, "_shown", {})
    for _ in range(4):
        hint("01.lock")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in lines] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]


def test_an_unknown_exercise_is_named_with_those_that_there_are():
    for ask in (check, hint):
        with pytest.raises(ValueError, match=r"name: expected one of 01\.future, .*, got '01\.key'"):
            ask("01.key")
        with pytest.raises(ValueError, match=r"name: expected one of chapters 01, .*, 07, got '99\.lock'"):
            ask("99.lock")


def test_an_answer_that_never_ends_does_not_hold_up_the_exit():
    code = (
        "from helpers.exercises import check, desk\n"
        "desk.DEADLINE = 0.5\n"
        "check('01.lock', lambda counter, lock, times: [lock.acquire() for _ in range(2)])\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Not yet: " in done.stdout
    assert done.stderr == ""
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((), 'Not yet: hand in the function itself, without calling it: check("01.lock", function). What'),
        ((None,), "Not yet: hand in the function itself, without calling it: "),
        ((add, add), "Not yet: hand in the function itself, without calling it: "),
    ],
)
def test_what_is_no_function_is_told(told, answers, words):
    assert told("01.lock", *answers).startswith(words)


def raise_it(counter, lock, times):
    counter.value["x"] = 1


def leave(counter, lock, times):
    sys.exit("bye")


async def add_in_a_loop(counter, lock, times):
    add_with_lock(counter, lock, times)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            raise_it,
            "Not yet: it raises TypeError: 'int' object does not support item assignment, "
            'at the line: counter.value["x"] = 1 hint("01.lock") knows more.',
        ),
        (leave, "Not yet: it raises SystemExit: bye, which ends more than the answer."),
        (
            add_in_a_loop,
            "Not yet: its call returns a coroutine, which runs nothing until it is awaited",
        ),
    ],
)
def test_what_is_wrong_with_any_answer_is_told_in_one_line(told, answer, words):
    said = told("01.lock", answer)
    assert said.startswith(words)
    assert "\n" not in said


def test_what_an_answer_leaves_behind_is_ended(told, monkeypatch):
    monkeypatch.setattr(desk, "DEADLINE", 1.0)
    turns = []

    def compute_for_ever(counter, lock, times):
        while True:
            turns[:] = [sum(turns) + 1]

    def start_a_process_and_wait(counter, lock, times):
        multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,)).start()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(threading.Event().wait).result()

    before = threading.active_count()
    assert "Not yet: it has not ended within" in told("01.lock", compute_for_ever)
    seen = list(turns)
    time.sleep(0.1)
    assert turns == seen
    assert threading.active_count() == before
    assert "Not yet: it has not ended within" in told("01.lock", start_a_process_and_wait)
    assert multiprocessing.active_children() == []


def test_a_pool_with_a_thread_that_waits_for_ever_does_not_hold_up_the_exit():
    """By ``_threads_queues`` a pool has all its threads joined at the exit."""
    code = (
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from helpers.exercises import check, desk\n"
        "desk.DEADLINE = 0.5\n"
        "def wait(counter, lock, times):\n"
        "    ThreadPoolExecutor(1).submit(lambda: threading.Event().wait()).result()\n"
        "check('01.lock', wait)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Not yet: " in done.stdout
    assert done.returncode == 0, done.stderr


def test_the_front_door_imports_no_exercise_and_no_engine():
    code = "import sys, helpers.exercises; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in loaded if name.startswith("helpers.exercises.of_")] == []
    assert not {"distributed", "aiosmtpd", "sqlite3", "smtplib"} & set(loaded)
