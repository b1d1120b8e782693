"""The exercises of chapter 04: queues that a manager serves, a door with a key, and workers that use them."""

import multiprocessing
import os
import pickle
import queue
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.managers import BaseManager, RemoteError
from typing import Any

from helpers import children
from helpers.exercises.desk import NotAttempted, NotYet, exercise, fits, within
from helpers.exercises.leftovers import one_line
from helpers.show import short

_HERE, _KEY = "127.0.0.1", b"a key for this check"
_MANY_LOOKS = 300  # at stop, in about a second


Queue = queue.Queue[Any]
"""What a proxy of one has, too."""


def _context() -> children.Context:
    return multiprocessing.get_context(children.default_start_method())


# --- A second queue ----------------------------------------------------------------------------------


class _Client(BaseManager):
    pass


_Client.register("get_tasks")
_Client.register("get_results")


def _asked(client: BaseManager, name: str) -> Queue:
    """Return the proxy of a queue, or raise what is to be said of it."""
    try:
        found: Queue = getattr(client, name)()
    except RemoteError as error:
        last = str(error).strip("- \n").splitlines()[-1]
        if last == f"KeyError: '{name}'":
            if name == "get_results":
                raise NotAttempted("Office has no get_results: a second queue is to be registered.") from None
            raise NotYet(f"Office has no {name} any more.") from None
        if "Without callable" in last:
            raise NotYet(
                f"{name} is registered without callable=: the server has no function to call, and knows no "
                "queue."
            ) from None
        raise NotYet(f"the manager's server was asked for {name}, and raised {last}.") from None
    if not hasattr(found, "put"):
        raise NotYet(f"what {name} returns is no queue: a put was tried. Is there a return in it?")
    return found


@exercise(
    "04.queues",
    "two queues under two names, each of them one and the same for everybody who asks.",
    "The server calls a function whenever somebody asks for a name. What does it have to return, each time?",
    "Make the queue once, outside the function, as it is done for tasks.",
    'results = Queue(); def get_results(): return results; Office.register("get_results", '
    "callable=get_results)",
)
def _queues(office: type[BaseManager]) -> None:
    if not (isinstance(office, type) and issubclass(office, BaseManager)):
        raise NotYet("hand in the class Office, which is a kind of BaseManager.")
    manager = office((_HERE, 0), _KEY, ctx=_context())
    try:
        manager.start()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        if "lock" in str(error) or "'Queue' object" in str(error):
            raise NotYet(
                "register takes a function that returns the queue, and was given the queue itself, or "
                "something else that cannot be sent to the server's process."
            ) from None
        raise NotYet(
            "the server is a new process, which imports the functions by name. It cannot import a lambda, or "
            "a function within a function: write def get_results():."
        ) from None
    try:
        client = _Client(manager.address, _KEY)
        client.connect()
        within(5, _look_at_queues, _asked(client, "get_tasks"), _asked(client, "get_results"), client)
    finally:
        manager.shutdown()


def _look_at_queues(tasks: Queue, results: Queue, client: BaseManager) -> None:
    for name, one in (("get_tasks", tasks), ("get_results", results)):
        one.put("first")
        one.put("second")
        again = _asked(client, name)
        if again.qsize() != 2:
            raise NotYet(
                f"two calls of {name} led to two queues: what one puts, the other never finds. Make the "
                "queue once, outside the function."
                if again.qsize() < 2
                else "get_tasks and get_results lead to one and the same queue: a worker would take its own "
                "results for tasks."
            )
        if (again.get(), again.get()) != ("first", "second"):
            raise NotYet(f"what is put first was to come first, at {name}.")
        one.put("left")


# --- A door with a key -------------------------------------------------------------------------------


@exercise(
    "04.door",
    "an open door, a wrong key and an empty house are three different things, and are told apart.",
    "connect() raises one error for a wrong key, and another when nobody answers at the address.",
    "They are multiprocessing.AuthenticationError and ConnectionRefusedError.",
    'try: manager.connect() ... except AuthenticationError: return "wrong key" ... except '
    'ConnectionRefusedError: return "nobody there"',
)
def _door(knock: Callable[..., object]) -> None:
    import socket

    manager = BaseManager((_HERE, 0), _KEY, ctx=_context())
    manager.start()
    try:
        with socket.create_server((_HERE, 0)) as taken:
            empty = taken.getsockname()
        cases = {
            "in": (manager.address, _KEY),
            "wrong key": (manager.address, b"not the key"),
            "nobody there": (empty, _KEY),
        }
        said: dict[str, object] = {}
        for case, (address, key) in cases.items():
            try:
                said[case] = within(10, knock, address, key)
            except NotYet:
                raise
            except Exception as error:
                said[case] = error
    finally:
        manager.shutdown()
    raised = [case for case in said if isinstance(said[case], Exception)]
    if set(said.values()) == {None}:
        raise NotAttempted("nothing was returned.")
    if said["in"] == "in" and raised == ["wrong key", "nobody there"]:
        kinds = " and ".join(type(said[case]).__name__ for case in raised)
        raise NotAttempted(f"a wrong key and an address where nobody is raise errors, {kinds}.")
    for case, words in said.items():
        if case in raised:
            raise NotYet(f'where "{case}" was expected, it raises {type(words).__name__}.')
        if words != case:
            raise NotYet(f'where "{case}" was expected, it returned {short(words)}.')


# --- Workers -----------------------------------------------------------------------------------------


class Stop:
    """An event that counts how often it was looked at."""

    def __init__(self) -> None:
        """Begin with nobody told to stop."""
        self._set, self._looks = False, 0

    def is_set(self) -> bool:
        """Do what an event's ``is_set`` does, and count it."""
        self._looks += 1
        return self._set

    def wait(self, timeout: float = 0) -> bool:
        """Do what an event's ``wait`` does, for a short time."""
        time.sleep(0 if self._set else min(timeout, 0.5))
        return self.is_set()

    def set(self) -> None:
        """Tell the worker to stop."""
        self._set = True

    def looks(self) -> int:
        """Return how often it was looked at."""
        return self._looks


class _Office(BaseManager):
    queue: Callable[..., Queue]
    stop: Callable[[], Stop]


_Office.register("queue", queue.Queue)
_Office.register("stop", Stop)


class _Worker:
    """A process that runs an answer, with what it ended by."""

    def __init__(self, work: Callable[..., object], *arguments: object) -> None:
        if work.__module__ == "__main__" or "<" in work.__qualname__:
            raise NotYet(
                f"{work.__name__} stands in a cell, or within a function, where no other process can import "
                "it: write it into a file by %%writefile, and import that."
            )
        fits(work, arguments)
        self._pipe, there = multiprocessing.Pipe()
        self._process = _context().Process(target=_run, args=(there, work, *arguments), daemon=True)
        self._process.start()
        there.close()

    def ended(self, seconds: float) -> bool:
        """Wait for its end so long, and tell whether it has come."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def raised(self) -> str:
        """Return what it has raised, or nothing."""
        try:
            return str(self._pipe.recv()) if self._pipe.poll() else ""
        except EOFError:
            return f"nothing, and ended with exit code {self._process.exitcode}"

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _run(pipe: Connection, work: Callable[..., object], *arguments: object) -> None:
    children.leave_with_parent()
    try:
        work(*arguments)
    except BaseException as error:
        pipe.send(one_line(error))
        pipe.close()
        os._exit(1)
    pipe.send("")


def _drained(results: Queue) -> list[Any]:
    found = []
    while results.qsize():
        found.append(results.get())
    return found


@exercise(
    "04.function",
    "two functions, and a task that nobody can do is answered and harms no other.",
    "FUNCTIONS says by name what the worker can do. What happens at a name that is not in it?",
    "The answer to a task that cannot be done is a text that says so. An error that is not caught ends the "
    "worker, and with it all tasks that wait.",
    'function = FUNCTIONS.get(name); if function is None: results.put((name, n, f"no function {name}")), '
    "else as before; or try: ... except Exception as error: results.put((name, n, repr(error)))",
)
def _function(work: Callable[..., object]) -> None:
    given = [("square", 3), ("cube", 2), ("fly", 1), ("square", 4)]
    with _Office((_HERE, 0), _KEY, ctx=_context()) as office:
        tasks, results = office.queue(), office.queue()
        for task in [*given, None]:
            tasks.put(task)
        worker = _Worker(work, tasks, results)
        try:
            ended = worker.ended(6)
            raised, left, found = worker.raised(), tasks.qsize(), _drained(results)
        finally:
            worker.stop()
    _say_of_function(given, found, raised, left, ended)


def _say_of_function(given: list[Any], found: list[Any], raised: str, left: int, ended: bool) -> None:
    if raised and len(found) < len(given):
        task = given[min(len(found), len(given) - 1)]
        said = f'the worker was given ("{task[0]}", {task[1]}), and died of {raised}'
        if task[0] == "cube" and "cube" in raised:
            raise NotAttempted(f'{said}: it knows "square" alone.')
        tasks = max(0, left - 1)
        raise NotYet(f"{said}, with {tasks} task{'s' * (tasks != 1)} still in the queue.")
    if not ended and not found:
        raise NotYet("6 s after its start, the worker has put no result, and has not ended.")
    if not all(isinstance(one, tuple) and len(one) == 3 for one in found):
        raise NotYet(f"each result was to be a tuple, (name, n, value); got {short(found)}.")
    answered = {one[:2]: one[2] for one in found}
    for name, n in given:
        if (name, n) not in answered:
            raise NotYet(
                f'no result came for ("{name}", {n}): whoever waits for it is never told. Got {short(found)}.'
            )
        value, right = answered[name, n], {"square": n * n, "cube": n**3}.get(name)
        if right is not None and value != right:
            raise NotYet(f'("{name}", {n}) was to give {right}, and gave {short(value)}.')
        if right is None and not (isinstance(value, str) and name in value):
            raise NotYet(
                f'nobody can do ("{name}", {n}): a text that names "{name}" was expected as its value; got '
                f"{short(value)}."
            )
    if len(found) != len(given):
        raise NotYet(f"{len(given)} tasks were given, and {len(found)} results came: {short(found)}.")
    if not ended:
        raise NotYet("all tasks are answered, and None was in the queue; the worker has not ended.")
    if raised:
        raise NotYet(f"all tasks are answered; then the worker died of {raised}.")


@exercise(
    "04.stop",
    "it waits while there is nothing to do, stops when told, and what it took it has answered.",
    "A worker that waits in tasks.get() hears nothing. get(timeout=0.1) raises queue.Empty when nothing "
    "came.",
    "Look at stop before a task is taken, not after: what was taken has to be answered.",
    "while not stop.is_set(): try: n = tasks.get(timeout=0.1) ... except Empty: continue ... "
    "results.put(n * n)",
)
def _stop(work: Callable[..., object]) -> None:
    with _Office((_HERE, 0), _KEY, ctx=_context()) as office:
        tasks, results, stop = office.queue(), office.queue(), office.stop()
        worker = _Worker(work, tasks, results, stop)
        try:
            for n in (2, 3):
                tasks.put(n)
                _look_at_result(worker, results, n, first=n == 2)
                if worker.ended(0.5 if n == 2 else 0):
                    _left_too_soon(worker, n)
            if (looks := stop.looks()) > _MANY_LOOKS:
                raise NotYet(
                    f"with two tasks to do, the worker asked {looks:,} times whether to stop: a loop that "
                    "does not wait keeps a core busy, and the queues' server. get(timeout=0.1) waits."
                )
            stop.set()
            if not worker.ended(2):
                words = "the worker was told to stop, and 2 s later it still waits at its empty queue"
                if not stop.looks():
                    raise NotAttempted(f"{words}: it never looked at stop.")
                raise NotYet(f"{words}: get() without timeout= looks up from nothing but a task.")
            if raised := worker.raised():
                raise NotYet(f"told to stop, the worker died of {raised}.")
        finally:
            worker.stop()
        tasks, results, stop = office.queue(), office.queue(2), office.stop()
        _stop_at_work(work, tasks, results, stop)


def _look_at_result(worker: _Worker, results: Queue, n: int, first: bool) -> None:
    try:
        found = results.get(timeout=5)
    except queue.Empty:
        if worker.ended(0) and first:
            raised = worker.raised()
            died = f"died of {raised}" if raised else "left"
            raise NotYet(
                f"nobody had told the worker to stop, and it {died} with its first task undone. stop is an "
                "event: stop.is_set() says whether it was told."
            ) from None
        if worker.ended(0):
            _left_too_soon(worker, n)
        raise NotYet(f"the worker was given {n}, and 5 s later there is no result.") from None
    if found != n * n:
        raise NotYet(f"the worker was given {n}; {n * n} was expected, and {short(found)} came.")


def _left_too_soon(worker: _Worker, n: int) -> None:
    raised = worker.raised()
    died = f"it died of {raised}" if raised else "it left"
    raise NotYet(
        f"nobody had told the worker to stop, and {died} when its queue was empty: the next task may be on "
        "its way."
    )


def _stop_at_work(work: Callable[..., object], tasks: Queue, results: Queue, stop: Stop) -> None:
    """Stop a worker that has a task in hand: its results wait for room, and two are there."""
    count = 10
    for n in range(count):
        tasks.put(n)
    worker = _Worker(work, tasks, results, stop)
    try:
        end = time.monotonic() + 5
        while tasks.qsize() > count - 3 and time.monotonic() < end:
            time.sleep(0.01)
        stop.set()
        found: list[int] = []
        end = time.monotonic() + 5
        while not worker.ended(0.05) and time.monotonic() < end:
            found += _drained(results)
        if not worker.ended(0):
            raise NotYet("told to stop with a task in hand, the worker has not ended within 5 s.")
        found += _drained(results)
        raised, taken = worker.raised(), count - tasks.qsize()
    finally:
        worker.stop()
    if raised:
        raise NotYet(f"told to stop with tasks in its queue, the worker died of {raised}.")
    if len(found) < taken:
        raise NotYet(
            f"{taken} tasks were taken and {len(found)} answered: a task that was in the worker's hands when "
            "it was told to stop is lost. Look at stop before you take one."
        )
    if taken == count:
        raise NotYet(
            f"told to stop after 3 of {count} tasks, the worker did all the others first. Look at stop "
            "before each task, not only when the queue is empty."
        )
