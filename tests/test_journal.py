"""The board on disk: what was accepted outlives its master, wherever it was cut off."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import test_board
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from queue_helpers import SOON, posix, until

from helpers import jobqueue
from helpers.jobqueue.board import Board
from helpers.jobqueue.errors import QueueError, UsageError
from helpers.jobqueue.journal import Journal


def opened(path: Path) -> tuple[Journal, Board]:
    journal, board = Journal(str(path)), Board(test_board.LEASE, test_board.ATTEMPTS, test_board.DELAY)
    journal.restore(board)
    return journal, board


class LifeOnDisk(test_board.Life):
    """The life of a board, in which its master dies between any two calls and is started again."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "board.db")
        self.journal, self.board = opened(self.path)

    @invariant()
    def every_call_is_written(self):
        self.journal.commit()

    @rule(torn=st.none() | st.integers(1, 4000))
    def master_dies(self, torn):
        """Start another master on the file; with the last write torn, so many bytes before its end."""
        self.journal.commit()
        copy = Path(tempfile.mkdtemp(dir=self.folder.name), "board.db")
        log = Path(f"{self.path}-wal")
        shutil.copy(self.path, copy)
        shutil.copy(log, f"{copy}-wal")
        if torn:
            whole = log.stat().st_size
            self.board.add("never accepted", [(0, "f", bytes(2000))])
            self.journal.commit()
            written = log.read_bytes()
            assert len(written) > whole
            Path(f"{copy}-wal").write_bytes(written[: max(whole, len(written) - torn)])
        self.journal.close()
        self.path = copy
        self.journal, self.board = opened(self.path)
        assert not self.board.knows("never accepted")
        self.deadlines.clear()
        self.by_worker.clear()
        for task in self.open_tasks():
            task.holder, task.not_before = None, 0.0
        self.shelved_before += self.shelved
        self.done = self.retried = self.shelved = self.late = 0

    @rule()
    def entries_are_written_anew(self):
        self.journal._write_anew()

    def teardown(self):
        self.master_dies(None)
        super().teardown()
        self.journal.close()
        self.folder.cleanup()


TestLifeOnDisk = LifeOnDisk.TestCase
TestLifeOnDisk.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


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
    assert [number for number, _, _ in again.contents("a")[1]] == [0]


def test_the_errors_of_all_tries_are_kept(tmp_path):
    journal, board = opened(tmp_path / "board.db")
    board.add("a", [(0, "square", b"0"), (1, "square", b"1")])
    for error in ("first", "second", "third"):
        assert board.lend("u", 1, 0.0)[0][1] == 0
        board.record("u", [("a", 0, error, None)], 0.0)
        journal.commit()
        journal.close()
        journal, board = opened(tmp_path / "board.db")
    assert board.shelf[0].errors == ("first", "second", "third")
    assert board.collect("a", 0, 9)[0][2] == ("first", "second", "third")
    journal.close()


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


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk that is soon full; hand out its folder, and how to give it more room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only who may mount a file system has one that is soon full")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=20m", str(folder)], check=True)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing_else(small_disk):
    folder, give_room = small_disk
    with jobqueue.launch_master(journal=folder / "board.db") as master:
        accepted = master.submit("square", range(10))
        for _ in range(2):
            with pytest.raises(QueueError, match=r"journal .*board.db: its disk is full: make room") as told:
                master.submit("hash_bytes", [bytes(50_000)] * 20)
            assert not isinstance(told.value, jobqueue.MasterGone)
        assert master.stats().waiting == 10
        give_room()
        with jobqueue.launch_workers(master):
            assert sorted(span.value for span in accepted.as_completed(SOON)) == [n * n for n in range(10)]
            assert len(set(master.map("hash_bytes", [bytes(50_000)] * 20, timeout=SOON))) == 1


def test_a_master_whose_disk_is_full_in_the_middle_of_work_ends_and_goes_on_when_there_is_room(small_disk):
    folder, give_room = small_disk
    journal = folder / "board.db"
    master = jobqueue.launch_master(journal=journal)
    batch = master.submit("square", [2 ** (8 * 10_000)] * 20)  # the squares are too many bytes for the disk
    with jobqueue.launch_workers(master):
        assert until(lambda: master._program.exit_code is not None)
    assert master._program.exit_code == QueueError.exit_code
    assert "its disk is full: make room, then start the master again" in master._program.said()
    give_room()
    with jobqueue.launch_master(journal=journal) as again, jobqueue.launch_workers(again):
        batch.resume(again)
        assert len(list(batch.as_completed(SOON))) == 20


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
