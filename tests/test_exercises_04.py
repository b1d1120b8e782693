"""The exercises of chapter 04: starter, solution, and wrong answers with the very message that each gets."""

import multiprocessing
from multiprocessing import AuthenticationError
from multiprocessing.managers import BaseManager

import pytest

# --- A second queue ----------------------------------------------------------------------------------

OFFICE = """
from multiprocessing.managers import BaseManager
from queue import LifoQueue, Queue

tasks = Queue()
results = Queue()
stack = LifoQueue()

def get_tasks():
    return tasks

def get_results():
    return results

def get_new():
    return Queue()

def get_stack():
    return stack

def get_nothing():
    results

class Office(BaseManager):
    pass

Office.register("get_tasks", callable=get_tasks)
"""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "Not attempted yet: Office has no get_results: a second queue is to be registered."),
        ('Office.register("get_results", callable=get_results)', "Correct: two queues under two names"),
        ('Office.register("results", callable=get_results)', "Not attempted yet: Office has no"),
        ('Office.register("get_results", callable=get_tasks)', "Not yet: get_tasks and get_results lead"),
        ('Office.register("get_results", callable=get_new)', "Not yet: two calls of get_results led to"),
        ('Office.register("get_results", callable=get_nothing)', "Not yet: what get_results returns is no"),
        ('Office.register("get_results", callable=get_stack)', "Not yet: what is put first was to come"),
        ('Office.register("get_results", callable=results)', "Not yet: register takes a function that"),
        ('Office.register("get_results")', "Not yet: get_results is registered without callable=: the"),
        ('Office.register("get_results", callable=lambda: results)', "Not yet: the server is a new"),
    ],
)  # fmt: skip
def test_a_second_queue(told, module, more, words):
    assert told("04.queues", module(OFFICE + more).Office).startswith(words)
    assert multiprocessing.active_children() == []


def test_an_office_is_a_manager(told, module):
    assert told("04.queues", module(OFFICE).get_tasks).startswith("Not yet: hand in the class Office")


# --- A door with a key -------------------------------------------------------------------------------


def knock(address, key):
    BaseManager(address, key).connect()
    return "in"


def knock_and_tell(address, key):
    try:
        return knock(address, key)
    except AuthenticationError:
        return "wrong key"
    except ConnectionRefusedError:
        return "nobody there"


def knock_and_guess(address, key):
    try:
        return knock(address, key)
    except Exception:
        return "nobody there"


def knock_and_tell_half(address, key):
    try:
        return knock(address, key)
    except AuthenticationError:
        return "wrong key"


def knock_and_mix_up(address, key):
    return {"wrong key": "nobody there", "nobody there": "wrong key"}.get(knock_and_tell(address, key), "in")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda address, key: None, "Not attempted yet: nothing was returned."),
        (knock, "Not attempted yet: a wrong key and an address where nobody is raise errors,"),
        (knock_and_tell, "Correct: an open door, a wrong key and an empty house"),
        (lambda address, key: "in", 'Not yet: where "wrong key" was expected, it returned \'in\'.'),
        (knock_and_guess, 'Not yet: where "wrong key" was expected, it returned \'nobody there\'.'),
        (knock_and_tell_half, 'Not yet: where "nobody there" was expected, it raises'),
        (knock_and_mix_up, 'Not yet: where "wrong key" was expected, it returned \'nobody there\'.'),
    ],
)  # fmt: skip
def test_a_door_with_a_key(told, answer, words):
    assert told("04.door", answer).startswith(words)


# --- A second function -------------------------------------------------------------------------------

WORKER = """
def square(n):
    return n * n

def cube(n):
    return n ** 3

FUNCTIONS = {"square": square}

def work(tasks, results):
    for name, n in iter(tasks.get, None):
        results.put((name, n, FUNCTIONS[name](n)))

def with_cube(tasks, results):
    FUNCTIONS["cube"] = cube
    work(tasks, results)

def solution(tasks, results):
    FUNCTIONS["cube"] = cube
    for name, n in iter(tasks.get, None):
        try:
            value = FUNCTIONS[name](n)
        except Exception as error:
            value = repr(error)
        results.put((name, n, value))

def wrong_cube(tasks, results):
    FUNCTIONS["cube"] = lambda n: 3 * n
    work(tasks, results)

def say_nothing(tasks, results):
    FUNCTIONS["cube"] = cube
    for name, n in iter(tasks.get, None):
        if name in FUNCTIONS:
            results.put((name, n, FUNCTIONS[name](n)))

def answer_none(tasks, results):
    FUNCTIONS["cube"] = cube
    for name, n in iter(tasks.get, None):
        function = FUNCTIONS.get(name)
        results.put((name, n, function and function(n)))

def leave_at_the_unknown(tasks, results):
    FUNCTIONS["cube"] = cube
    try:
        work(tasks, results)
    except KeyError as error:
        results.put(("fly", 1, repr(error)))

def never_end(tasks, results):
    FUNCTIONS["cube"] = cube
    while True:
        name, n = tasks.get() or ("square", 5)
        results.put((name, n, FUNCTIONS.get(name, lambda n: f"no {name}")(n)))

def values_alone(tasks, results):
    for name, n in iter(tasks.get, None):
        results.put(n * n)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("work", "Not attempted yet: the worker was given (\"cube\", 2), and died of KeyError: 'cube': it"),
        ("solution", "Correct: two functions, and a task that nobody can do is answered"),
        ("with_cube", "Not yet: the worker was given (\"fly\", 1), and died of KeyError: 'fly', with 1"),
        ("wrong_cube", "Not yet: the worker was given (\"fly\", 1), and died of KeyError"),
        ("say_nothing", 'Not yet: no result came for ("fly", 1): whoever waits for it is never told.'),
        ("answer_none", 'Not yet: nobody can do ("fly", 1): a text that names "fly" was expected as its'),
        ("leave_at_the_unknown", 'Not yet: no result came for ("square", 4): whoever waits for it is'),
        ("never_end", "Not yet: "),
        ("values_alone", "Not yet: each result was to be a tuple, (name, n, value); got [9, 4, 1, 16]."),
    ],
)  # fmt: skip
def test_a_second_function(told, module, name, words):
    assert told("04.function", getattr(module(WORKER), name)).startswith(words)
    assert multiprocessing.active_children() == []


def test_a_worker_of_a_cell_cannot_be_imported(told):
    def work(tasks, results):
        pass

    assert told("04.function", work).startswith("Not yet: work stands in a cell, or within a function, where")


# --- A worker that stops when told -------------------------------------------------------------------

STOPS = """
from queue import Empty

def starter(tasks, results, stop):
    while True:
        n = tasks.get()
        results.put(n * n)

def solution(tasks, results, stop):
    while not stop.is_set():
        try:
            n = tasks.get(timeout=0.1)
        except Empty:
            continue
        results.put(n * n)

def look_between_tasks(tasks, results, stop):
    while not stop.is_set():
        n = tasks.get()
        results.put(n * n)

def leave_when_empty(tasks, results, stop):
    while not stop.is_set():
        try:
            n = tasks.get(timeout=0.1)
        except Empty:
            return
        results.put(n * n)

def die_when_empty(tasks, results, stop):
    while not stop.is_set():
        n = tasks.get(timeout=0.1)
        results.put(n * n)

def drop_what_is_in_hand(tasks, results, stop):
    while True:
        try:
            n = tasks.get(timeout=0.1)
        except Empty:
            if stop.is_set():
                return
            continue
        if stop.is_set():
            return
        results.put(n * n)

def stop_when_all_is_done(tasks, results, stop):
    while True:
        try:
            n = tasks.get(timeout=0.1)
        except Empty:
            if stop.is_set():
                return
            continue
        results.put(n * n)

def never_wait(tasks, results, stop):
    while not stop.is_set():
        if not tasks.empty():
            n = tasks.get()
            results.put(n * n)

def take_an_event_for_a_flag(tasks, results, stop):
    while not stop:
        n = tasks.get()
        results.put(n * n)

def two_parameters(tasks, results):
    pass

def put_the_number_back(tasks, results, stop):
    while not stop.is_set():
        results.put(tasks.get())
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("starter", "Not attempted yet: the worker was told to stop, and 2 s later it still waits at its"),
        ("solution", "Correct: it waits while there is nothing to do, stops when told"),
        ("look_between_tasks", "Not yet: the worker was told to stop, and 2 s later it still waits at its"),
        ("leave_when_empty", "Not yet: nobody had told the worker to stop, and it left when its queue was"),
        ("die_when_empty", "Not yet: nobody had told the worker to stop, and it died of Empty"),
        ("drop_what_is_in_hand", "Not yet: 4 tasks were taken and 3 answered: a task that was in the"),
        ("stop_when_all_is_done", "Not yet: told to stop after 3 of 10 tasks, the worker did all the"),
        ("never_wait", "Not yet: with two tasks to do, the worker asked "),
        ("take_an_event_for_a_flag", "Not yet: nobody had told the worker to stop, and it left with"),
        ("two_parameters", "Not yet: it is called with 3 arguments, and takes (tasks, results): keep"),
        ("put_the_number_back", "Not yet: the worker was given 2; 4 was expected, and 2 came."),
    ],
)  # fmt: skip
def test_a_worker_that_stops_when_told(told, module, name, words):
    assert told("04.stop", getattr(module(STOPS), name)).startswith(words)
    assert multiprocessing.active_children() == []
