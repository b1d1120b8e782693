"""The board: its rules one by one, and then a long random life of it beside a model that is simpler."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from helpers.jobqueue.board import Board, Shelved, Stats

LEASE, ATTEMPTS, DELAY = 4.0, 3, 1.0


@pytest.fixture
def board():
    return Board(LEASE, ATTEMPTS, DELAY)


def put_up(board, *functions, batch="b"):
    board.add(batch, [(number, function, b"%d" % number) for number, function in enumerate(functions)])


def lend(board, now=0.0, count=1, worker="w", function=None):
    return [number for _, number, *_ in board.lend(worker, count, now, function)]


def record(board, number, now=0.0, worker="w", error=None, batch="b"):
    board.record(worker, [(batch, number, error, f"by {worker} at {now:g}")], now)


def results(board, seen=0, batch="b"):
    return board.collect(batch, seen, 1000)


# --- The rules, one by one ---------------------------------------------------------------------------


def test_a_task_is_lent_finished_collected_and_forgotten(board):
    put_up(board, "f")
    assert board.lend("w", 1, 0.0) == [("b", 0, "f", b"0")]
    record(board, 0, 1.0)
    assert results(board) == results(board) == [(0, "w", (), "by w at 1")]
    assert results(board, seen=1) == results(board) == []
    assert board.stats(1.0)[:6] == (0, 0, 1, 0, 0, 0)


def test_a_view_says_where_tasks_are_and_how_long_leases_last(board):
    put_up(board, *"ffff")
    lend(board, 1.0, count=2)
    record(board, 0, 2.0)
    lend(board, 3.0, count=0, worker="idle")
    assert board.view(["b"], 4.0) == (4, 2, 1, 1, 0, (("w", (2,), 1.0), ("idle", (), 3.0)))
    assert board.view(["unknown"], 4.0)[:5] == (0, 0, 0, 0, 0)


def test_tasks_are_lent_in_order_and_once(board):
    put_up(board, *"fffff")
    assert lend(board, count=2) == [0, 1]
    assert lend(board, count=9, worker="v") == [2, 3, 4]
    assert lend(board) == []


def test_a_number_is_put_up_once(board):
    put_up(board, "f", "f")
    put_up(board, "g", "g", "g")
    assert [lend(board, count=5), lend(board, count=5)] == [[0, 1], [2]]


def test_one_call_lends_tasks_of_one_function_the_earliest_first(board):
    put_up(board, *"ffgfg")
    assert [lend(board, count=9) for _ in range(3)] == [[0, 1, 3], [2, 4], []]


def test_a_worker_may_ask_for_one_function(board):
    put_up(board, *"ffg")
    assert lend(board, count=9, function="g") == [2]
    assert lend(board, count=9, function="h") == []


@pytest.mark.parametrize("count", [0, -1])
def test_no_task_is_lent_to_who_wants_none(board, count):
    put_up(board, "f")
    assert lend(board, count=count) == []


def test_a_lease_lasts_to_its_last_moment_and_a_sign_of_life_renews_it(board):
    put_up(board, "f")
    lend(board, 0.0)
    assert board.next_due() == LEASE
    assert lend(board, LEASE, worker="v") == []
    board.heartbeat("w", LEASE)
    assert lend(board, 2 * LEASE, worker="v") == []
    assert lend(board, 2 * LEASE + 0.1, worker="v") == []  # that try has failed; now comes the delay
    assert lend(board, 2 * LEASE + 0.1 + DELAY, worker="v") == [0]


def test_the_first_value_counts_though_its_lease_ran_out(board):
    put_up(board, "f")
    lend(board, 0.0)
    lend(board, 10.0, worker="v")  # takes it back
    assert lend(board, 11.0, worker="v") == [0]
    record(board, 0, 12.0)
    record(board, 0, 13.0, worker="v")
    assert results(board) == [(0, "w", (), "by w at 12")]
    stats = board.stats(13.0)
    assert (stats.done, stats.late, stats.retried, stats.workers) == (1, 1, 1, {"w": 1})


def test_a_value_that_comes_while_the_task_waits_for_its_next_try_ends_it(board):
    put_up(board, "f")
    lend(board, 0.0)
    board.tidy(10.0)
    record(board, 0, 10.5)
    assert lend(board, 20.0) == []
    assert board.stats(20.0)[:6] == (0, 0, 1, 1, 0, 0)


def test_an_error_that_comes_after_its_lease_is_not_counted_twice(board):
    put_up(board, "f")
    lend(board, 0.0)
    board.tidy(10.0)
    record(board, 0, 10.5, error="late")
    assert lend(board, 11.0, worker="v") == [0]
    assert board.stats(11.0).retried == 1


def test_a_task_that_fails_is_tried_again_after_twice_the_time_and_then_shelved(board):
    put_up(board, "f")
    record_at = [0.0]
    for delay in (DELAY, 2 * DELAY):
        now = record_at[-1]
        assert lend(board, now) == [0]
        record(board, 0, now, error=f"at {now:g}")
        assert lend(board, now + delay - 0.1) == []
        assert board.next_due() == now + delay
        record_at.append(now + delay)
    lend(board, 3.0)
    record(board, 0, 3.0, error="at 3")
    assert results(board) == [(0, "w", ("at 0", "at 1", "at 3"), "by w at 3")]
    assert list(board.shelf) == [Shelved("b", 0, "f", ("at 0", "at 1", "at 3"))]
    assert board.stats(3.0)[:6] == (0, 0, 0, 2, 1, 0)


def test_of_many_tasks_in_a_dead_workers_hands_none_is_to_blame_until_it_was_alone(board):
    put_up(board, *"ffff")
    assert lend(board, 0.0, count=3) == [0, 1, 2]
    assert [lend(board, 5.0, count=9) for _ in range(4)] == [[0], [1], [2], [3]]
    assert board.stats(5.0).retried == 3


def test_a_task_that_ends_every_worker_is_shelved_and_the_others_are_done(board):
    put_up(board, *"ffff")
    now = 0.0
    for worker in map(str, range(20)):
        loans = lend(board, now, count=3, worker=worker)
        if 1 not in loans:  # else the worker is never heard of again
            for number in loans:
                record(board, number, now, worker)
        now += LEASE + 0.1
    ended = {number: len(errors) for number, _, errors, _ in results(board)}
    assert ended == {0: 0, 1: ATTEMPTS, 2: 0, 3: 0}
    assert all("no heartbeat" in error for error in board.shelf[0].errors)


def test_who_leaves_gives_back_what_he_holds_in_its_order_and_unblamed(board):
    put_up(board, *"ffff")
    lend(board, 0.0, count=3)
    board.leave("w", 1.0)
    board.leave("w", 1.0)
    assert lend(board, 1.0, count=9, worker="v") == [0, 1, 2, 3]
    assert board.stats(1.0).retried == 0


def test_a_batch_that_is_cancelled_is_forgotten(board):
    put_up(board, *"ff")
    put_up(board, "f", batch="other")
    lend(board)
    board.cancel("b")
    board.cancel("never there")
    assert board.lend("w", 9, 0.0) == [("other", 0, "f", b"0")]
    record(board, 0)
    assert results(board) == []
    assert board.stats(0.0)[:6] == (0, 1, 0, 0, 0, 1)


def test_batches_do_not_mix(board):
    put_up(board, "f")
    put_up(board, "f", batch="c")
    lend(board, count=2)
    record(board, 0, batch="c")
    assert (results(board), len(results(board, batch="c"))) == ([], 1)


def test_results_are_collected_in_parts(board):
    put_up(board, *"fffff")
    lend(board, count=5)
    for number in (4, 2, 0):
        record(board, number)
    assert [number for number, *_ in board.collect("b", 0, 2)] == [4, 2]
    record(board, 1)
    assert [number for number, *_ in board.collect("b", 2, 9)] == [0, 1]


def test_throughput_is_that_of_the_last_three_full_seconds(board):
    put_up(board, *"ffffff")
    lend(board, count=6)
    for number, now in enumerate((0.5, 1.2, 1.9, 2.0, 3.5)):
        record(board, number, now)
    assert [board.stats(now).per_second for now in (3.9, 4.0, 9.0)] == [4 / 3, 4 / 3, 0.0]


def test_the_shelf_shows_the_latest_thousand():
    board = Board(LEASE, 1)
    put_up(board, *"f" * 1100)
    for number in lend(board, count=1100):
        record(board, number, error="no")
    assert [task.number for task in board.shelf] == list(range(100, 1100))
    assert board.stats(0.0).shelved == 1100


@pytest.mark.parametrize("wrong", [(0,), (float("nan"),), (1, 0), (1, 1.5), (1, 1, -1)])
def test_a_board_wants_sensible_figures(wrong):
    with pytest.raises(ValueError, match="expected a lease over 0 s"):
        Board(*wrong)


# --- A long random life ------------------------------------------------------------------------------


@dataclass
class Task:
    """What the model knows of a task: who holds it, how often it failed, and how it ended."""

    function: str
    holder: str | None = None
    tries: int = 0
    alone: bool = False
    not_before: float = 0.0
    ended: str = ""  # "value" or "shelf"


@dataclass
class Client:
    """A batch, from its client's side."""

    tasks: dict[int, Task] = field(default_factory=dict)
    collected: list[tuple[int, str, tuple[str, ...], Any]] = field(default_factory=list)
    cancelled: bool = False


WORKERS, FUNCTIONS = st.sampled_from("uvw"), st.sampled_from("fg")


class Life(RuleBasedStateMachine):
    """Clients and workers do whatever comes to their minds, and the clock jumps."""

    batches = Bundle("batches")
    loans = Bundle("loans")  # (worker, loan): a worker may answer long after, or never, or twice

    def __init__(self):
        super().__init__()
        self.board = Board(LEASE, ATTEMPTS, DELAY)
        self.now = 0.0
        self.clients: dict[str, Client] = {}
        self.deadlines: dict[str, float] = {}
        self.done = self.retried = self.shelved = self.late = self.shelved_before = 0
        self.by_worker: Counter[str] = Counter()

    def open_tasks(self):
        """Return what has not ended."""
        every = chain.from_iterable(c.tasks.values() for c in self.clients.values() if not c.cancelled)
        return [task for task in every if not task.ended]

    def held_by(self, worker):
        return [task for task in self.open_tasks() if task.holder == worker]

    def lendable(self, function=None):
        return [
            task for task in self.open_tasks()
            if task.holder is None and task.not_before <= self.now and function in (None, task.function)
        ]  # fmt: skip

    def fail(self, task):
        task.holder, task.tries = None, task.tries + 1
        if task.tries == ATTEMPTS:
            task.ended = "shelf"
            self.shelved += 1
        else:
            task.not_before = self.now + DELAY * 2 ** (task.tries - 1)
            self.retried += 1

    def end_leases(self):
        for worker in [worker for worker, deadline in self.deadlines.items() if deadline < self.now]:
            del self.deadlines[worker]
            lost = self.held_by(worker)
            if len(lost) == 1:
                self.fail(lost[0])
            else:
                self.retried += len(lost)
                for task in lost:
                    task.holder, task.alone = None, True

    @initialize(target=batches)
    def first_batch(self):
        return self.submit(["f", "f", "g"])

    @rule(target=batches, functions=st.lists(FUNCTIONS, max_size=6))
    def submit(self, functions):
        name = f"batch {len(self.clients)}"
        self.clients[name] = Client()
        self.more(name, functions)
        return name

    @rule(batch=batches, functions=st.lists(FUNCTIONS, max_size=6))
    def more(self, batch, functions):
        """Put up further tasks, and with them those that are up already, as after an interrupt."""
        client = self.clients[batch]
        if not client.cancelled:
            for function in functions:
                client.tasks[len(client.tasks)] = Task(function)
            self.board.add(batch, [(n, task.function, b"%d" % n) for n, task in client.tasks.items()])

    @rule(target=loans, worker=WORKERS, count=st.integers(0, 4), function=st.none() | FUNCTIONS)
    def lend(self, worker, count, function):
        possible = self.lendable(function)
        loans = self.board.lend(worker, count, self.now, function)
        self.deadlines[worker] = self.now + LEASE
        tasks = [self.clients[batch].tasks[number] for batch, number, *_ in loans]
        assert len(loans) == len(set(loans)) <= count
        assert bool(loans) == bool(possible and count), "a task that waits is lent to the first who asks"
        assert all(task in possible for task in tasks), "lent twice, too early, or after its end"
        assert len({task.function for task in tasks}) <= 1
        assert len(tasks) == 1 or not any(task.alone for task in tasks)
        for loan, task in zip(loans, tasks, strict=True):
            assert loan[2:] == (task.function, b"%d" % loan[1])
            task.holder = worker
        return multiple(*((worker, loan) for loan in loans))  # all of them, into the bundle

    @rule(target=loans, worker=WORKERS, count=st.integers(1, 4))
    def crash(self, worker, count):
        """Borrow, and give no heartbeat until the lease is over."""
        loans = self.lend(worker, count, None)
        self.now += LEASE + 0.5
        return loans

    @rule(worker=WORKERS, count=st.integers(1, 2))
    def fail_at_once(self, worker, count):
        """Borrow, and report an error for each task."""
        for loan in self.lend(worker, count, None).values:
            self._report(*loan, "broken")

    @rule(loan=loans, error=st.sampled_from([None, None, "broken"]))
    def report(self, loan, error):
        self._report(*loan, error)

    def _report(self, worker, loan, error=None):
        self.board.record(worker, [(*loan[:2], error, "report")], self.now)
        client = self.clients[loan[0]]
        task = client.tasks[loan[1]]
        if client.cancelled or task.ended:
            self.late += 1
        elif error is None:
            task.holder, task.ended = None, "value"
            self.done += 1
            self.by_worker[worker] += 1
        elif task.holder == worker:
            self.fail(task)

    @rule(worker=WORKERS)
    def heartbeat(self, worker):
        self.board.heartbeat(worker, self.now)
        self.deadlines[worker] = self.now + LEASE

    @rule(worker=WORKERS)
    def leave(self, worker):
        self.board.leave(worker, self.now)
        self.deadlines.pop(worker, None)
        for task in self.held_by(worker):
            task.holder = None

    @rule(batch=batches, most=st.integers(1, 5), lost=st.booleans())
    def collect(self, batch, most, lost):
        """Collect results; an answer may be lost on its way, and is asked for again."""
        client = self.clients[batch]
        results = self.board.collect(batch, len(client.collected), most)
        if not lost:
            client.collected += results

    @rule(batch=batches)
    def cancel(self, batch):
        self.board.cancel(batch)
        self.clients[batch].cancelled = True

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 4.0, 4.5]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def figures_agree(self):
        self.end_leases()
        left = self.open_tasks()
        in_work = sum(task.holder is not None for task in left)
        shown = self.board.stats(self.now)
        counts = (self.done, self.retried, self.shelved, self.late)
        assert shown == Stats(
            len(left) - in_work, in_work, *counts, shown.per_second, self.by_worker, shown.present
        )

    @invariant()
    def a_view_adds_up(self):
        self.end_leases()
        known = {name: client for name, client in self.clients.items() if not client.cancelled}
        left = self.open_tasks()
        put = sum(len(client.tasks) for client in known.values())
        in_work = sum(task.holder is not None for task in left)
        shelved = sum(task.ended == "shelf" for client in known.values() for task in client.tasks.values())
        counts, hands = (
            self.board.view([*self.clients, "another's"], self.now)[:5],
            self.board.view([], self.now)[5],
        )
        assert counts == (put, len(left) - in_work, in_work, put - len(left), shelved)
        assert {hand.worker: len(hand.tasks) for hand in hands} == {
            worker: len(self.held_by(worker)) for worker in self.deadlines
        }
        assert [hand.left for hand in hands] == [self.deadlines[hand.worker] - self.now for hand in hands]

    @invariant()
    def every_result_is_of_a_task_that_ended_and_none_comes_twice(self):
        for client in self.clients.values():
            numbers = [number for number, *_ in client.collected]
            assert len(numbers) == len(set(numbers))
            for number, _, errors, _ in client.collected:
                task = client.tasks[number]
                assert task.ended == ("shelf" if errors else "value")
                assert len(errors) in (0, ATTEMPTS)

    def teardown(self):
        """Let one good worker do what is left: then every task has ended, and every end is collected."""
        for _ in range(1000):
            if not self.open_tasks():
                break
            self.now += LEASE / 2
            self.figures_agree()
            while loans := self.board.lend("good", 2, self.now):
                self.deadlines["good"] = self.now + LEASE
                for loan in loans:
                    self._report("good", loan)
            self.deadlines["good"] = self.now + LEASE
        assert not self.open_tasks()
        self.figures_agree()
        for batch, client in self.clients.items():
            client.collected += self.board.collect(batch, len(client.collected), 10_000)
            if not client.cancelled:
                assert {number for number, *_ in client.collected} == client.tasks.keys()
        self.every_result_is_of_a_task_that_ended_and_none_comes_twice()
        assert len(self.board.shelf) == self.shelved_before + self.shelved
        self.board.tidy(self.now + 100)
        assert self.board.next_due() is None, "nothing is held, nothing waits for its next try"


TestLife = pytest.mark.no_cover(Life.TestCase)  # its life on disk, in test_journal, is counted
TestLife.settings = settings(deadline=None, max_examples=150, stateful_step_count=50)
