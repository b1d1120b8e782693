"""The board on disk: what was accepted outlives its master, wherever it was cut off."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queue_helpers import SOON, posix

from helpers import jobqueue
from helpers.jobqueue.board import Board
from helpers.jobqueue.errors import QueueError, UsageError
from helpers.jobqueue.journal import Journal

WORKERS, BATCHES = st.sampled_from("uv"), st.sampled_from("ab")
CALLS = st.one_of(
    st.tuples(st.just("submit"), BATCHES, st.integers(1, 4)),
    st.tuples(st.just("lend"), WORKERS, st.integers(1, 3)),
    st.tuples(st.just("record"), WORKERS, st.booleans()),
    st.tuples(st.just("collect"), BATCHES, st.integers(0, 3)),
    st.tuples(st.just("cancel"), BATCHES),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0])),
    st.tuples(st.just("crash")),
)


def opened(path: Path) -> tuple[Journal, Board]:
    journal, board = Journal(str(path)), Board(lease=1, attempts=2, retry_delay=0)
    journal.restore(board)
    return journal, board


class Life:
    """A board with a journal, beside one that never crashes; of both, what a client could see is compared."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "board.db"
        self.journal, self.board = opened(self.path)
        self.accepted: dict[
            str, dict[int, str]
        ] = {}  # by batch: what became of each task, "" for nothing yet
        self.collected: dict[str, int] = {}
        self.hands: dict[str, list[tuple[str, int]]] = {}
        self.now = 0.0

    def submit(self, batch: str, count: int) -> None:
        known = self.accepted.setdefault(batch, {})
        first = max(known, default=-1) + 1
        self.board.add(batch, [(n, "square", b"%d" % n) for n in range(first, first + count)], "client")
        known.update(dict.fromkeys(range(first, first + count), ""))

    def lend(self, worker: str, count: int) -> None:
        loans = self.board.lend(worker, count, self.now)
        self.hands.setdefault(worker, []).extend((loan.batch, loan.number) for loan in loans)

    def record(self, worker: str, failed: bool) -> None:
        if hands := self.hands.get(worker):
            batch, number = hands.pop(0)
            self.board.record(worker, [(batch, number, "failed" if failed else None, b"report")], self.now)

    def collect(self, batch: str, seen: int) -> None:
        had = self.collected.get(batch, 0)
        results = self.board.collect(batch, had, 100)
        for result in results[:seen]:
            assert not self.accepted[batch][result.number], "a result came twice"
            self.accepted[batch][result.number] = "ended"
        self.collected[batch] = had + len(results[:seen])
        self.board.collect(batch, self.collected[batch], 0)

    def cancel(self, batch: str) -> None:
        self.board.cancel(batch)
        self.accepted.pop(batch, None)
        self.collected.pop(batch, None)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.board.tidy(self.now)

    def crash(self) -> None:
        self.journal._connection.close()  # the file is as after kill -9, which closes it, too
        self.journal, self.board = opened(self.path)
        self.hands.clear()

    def check(self) -> None:
        self.journal.commit()
        for batch, tasks in self.accepted.items():
            waiting, ended = self.board.contents(batch) if self.board.knows(batch) else ([], [])
            there = {number for number, _, _ in waiting} | set(ended)
            assert there == {number for number, end in tasks.items() if not end}, batch
            assert len(there) == len(waiting) + len(ended)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CALLS, max_size=30))
def test_whatever_happens_every_accepted_task_is_there_until_its_client_has_its_result(tmp_path, calls):
    folder = tmp_path / os.urandom(4).hex()
    folder.mkdir()
    life = Life(folder)
    for name, *arguments in calls:
        getattr(life, name)(*arguments)
        life.check()
    life.crash()
    life.check()
    life.journal.close()


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_torn_last_write_costs_no_more_than_itself(tmp_path, cut):
    journal, board = opened(tmp_path / "board.db")
    board.add("a", [(0, "square", b"0")])
    journal.commit()
    before = (tmp_path / "board.db-wal").stat().st_size
    board.add("a", [(n, "square", b"x" * 1000) for n in range(1, 30)])
    journal.commit()
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("board.db", "board.db-wal"):
        shutil.copy(tmp_path / name, copy)
    with (copy / "board.db-wal").open("rb+") as file:
        size = (copy / "board.db-wal").stat().st_size
        file.truncate(max(before, size - cut))
    _, again = opened(copy / "board.db")
    assert [number for number, _, _ in again.contents("a")[0]] == [0]


def test_the_shelf_errors_and_places_are_kept(tmp_path):
    journal, board = opened(tmp_path / "board.db")
    board.add("a", [(0, "square", b"0"), (1, "square", b"1")])
    board.lend("u", 1, 0.0)
    board.record("u", [("a", 0, "first", None)], 0.0)
    journal.commit()
    journal.close()
    journal, board = opened(tmp_path / "board.db")
    assert board.lend("u", 1, 0.0)[0].number == 0
    board.record("u", [("a", 0, "second", None)], 0.0)
    journal.commit()
    journal.close()
    _, board = opened(tmp_path / "board.db")
    assert board.shelf[0].errors == ("first", "second")
    assert board.collect("a", 0, 9)[0].errors == ("first", "second")


# --- Files that are none -----------------------------------------------------------------------------


def another_program(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE pets (name)")
    other.close()


def another_version(path):
    Journal(str(path)).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda path: path.write_text("a letter to my aunt, long enough to be no empty file" * 20),
            "no journal",
        ),
        (another_program, "another program made it"),
        (another_version, "version 99"),
        (lambda path: path.mkdir(), "cannot be opened"),
    ],
    ids=["text", "other program", "other version", "folder"],
)
def test_what_is_no_journal_is_named_and_left_as_it_was(tmp_path, make, words):
    path = tmp_path / "board.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UsageError, match=f"journal .*board.db: .*{words}"):
        Journal(str(path))
    assert (path.read_bytes() if path.is_file() else None) == before
    assert [file.name for file in tmp_path.iterdir()] == ["board.db"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        Journal(str(tmp_path / "nowhere" / "board.db"))


def test_a_journal_belongs_to_one_master(tmp_path):
    path = tmp_path / "board.db"
    with jobqueue.launch_master(journal=path) as master:
        with pytest.raises(QueueError, match="another master has it"):
            jobqueue.launch_master(journal=path)
        assert master.stats().waiting == 0
    jobqueue.launch_master(journal=path).stop()


# --- Masters that are killed -------------------------------------------------------------------------


@posix
def test_a_master_that_is_killed_and_started_again_loses_nothing(tmp_path):
    path = tmp_path / "board.db"
    master = jobqueue.launch_master(journal=path)
    batch = master.submit("square", range(2000))
    port, key = master.port, master.key
    with jobqueue.launch_workers(master, 2, prefetch=7, reconnect=SOON):
        spans = batch.as_completed(SOON)
        found = [next(spans).job for _ in range(10)]
        for _ in range(5):
            master.kill()
            master = jobqueue.launch_master(port=port, key=key, journal=path)
            batch.resume(master)
            spans = batch.as_completed(SOON)
            found += [next(spans).job for _ in range(10)]
        found += [span.job for span in spans]
    assert sorted(found) == list(range(2000))
    assert batch.wait().values == [n * n for n in range(2000)]
    master.stop()


@posix
def test_when_master_and_client_both_die_another_client_finds_the_batch(tmp_path):
    path = tmp_path / "board.db"
    master = jobqueue.launch_master(journal=path)
    batch = master.submit("square", range(20))
    name = batch.name
    batch._leave.detach()
    master.kill()
    with jobqueue.launch_master(journal=path) as master, jobqueue.launch_workers(master):
        assert sorted(span.value for span in master.batch(name).as_completed(SOON)) == [
            n * n for n in range(20)
        ]
        with pytest.raises(ValueError, match="name: expected that of a batch"):
            master.batch("nobody's")
