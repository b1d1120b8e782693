"""The exercises of chapter 05: safe to run twice, a file in one piece, a heartbeat, a retry that gives up."""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

from helpers.exercises.desk import NotAttempted, NotYet, exercise, within
from helpers.show import short

# --- A task that may run twice -----------------------------------------------------------------------


class PowerFailure(Exception):
    """The computer has lost its power: what was not committed is gone."""


class _Cursor(sqlite3.Cursor):
    connection: "Database"

    def execute(self, *arguments: Any) -> Any:
        self.connection.step()
        return super().execute(*arguments)


class Database(sqlite3.Connection):
    """A connection to a database that can lose its power before a step: a statement, or a commit."""

    steps, fails_at, dead = 0, 0, False

    def step(self) -> None:
        """Count a step, or fail before it."""
        self.steps += 1
        self.dead |= self.steps == self.fails_at
        if self.dead:
            raise PowerFailure("the power has failed")

    def cursor(self, *_: Any, **__: Any) -> Any:
        """Return a cursor whose statements are counted."""
        return super().cursor(_Cursor)

    def executescript(self, *arguments: Any) -> Any:
        """Run a script, which counts as one step."""
        self.step()
        return super().executescript(*arguments)

    def execute(self, *arguments: Any) -> Any:
        """Run a statement, by a cursor that counts it."""
        return self.cursor().execute(*arguments)

    def commit(self) -> None:
        """Do what ``commit`` does, if there is power."""
        self.step()
        super().commit()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        """Commit, if there was no error, and if there is power."""
        if kind is None:
            self.commit()
        else:
            super().rollback()
        return False


class _Bank:
    """Files with an account each, which a task pays into."""

    def __init__(self, deposit: Callable[..., object], folder: str) -> None:
        self._deposit, self._folder = deposit, folder
        self.number = 0

    def fresh(self) -> None:
        """Begin with a new file."""
        self.number += 1
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute("CREATE TABLE account (balance)")
            db.execute("INSERT INTO account VALUES (0)")
            db.execute("CREATE TABLE done (number PRIMARY KEY)")

    @property
    def _path(self) -> Path:
        return Path(self._folder, f"{self.number}.db")

    @property
    def balance(self) -> Any:
        """What somebody else finds in the file."""
        with closing(sqlite3.connect(self._path)) as db:
            return db.execute("SELECT balance FROM account").fetchone()[0]

    def pay(self, number: int, amount: int, fails_at: int = 0) -> Database:
        """Have a task paid in, by a worker with a connection of its own."""
        db = sqlite3.connect(self._path, check_same_thread=False, factory=Database)
        db.fails_at = fails_at
        with closing(db):
            try:
                within(5, self._deposit, db, number, amount)
            except (PowerFailure, sqlite3.Error):
                if not db.dead:
                    raise
        return db


@exercise(
    "05.once",
    "handed out twice, or cut off at any step: each task is paid in just once.",
    "Before you pay in, look whether the task's number is in the table done. And after?",
    "If the power fails between paying in and noting it, the next worker pays in again. Inside one "
    "with db: there is both or nothing.",
    'with db: if not db.execute("SELECT 1 FROM done WHERE number = ?", [number]).fetchone(): '
    'db.execute("UPDATE ..."); db.execute("INSERT INTO done VALUES (?)", [number])',
)
def _once(deposit: Callable[..., object]) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bank = _Bank(deposit, folder)
        bank.fresh()
        steps = bank.pay(1, 100).steps
        if not steps:
            raise NotAttempted("the database was not touched.")
        if bank.balance != 100:
            raise NotYet(
                f"100 were to be paid in, and another program finds {bank.balance} in the account. Was it "
                "committed? with db: does that at its end."
            )
        _pay_again(bank, attempted=steps > 2)  # the starter has a statement and a commit
        bank.pay(2, 100)
        if bank.balance != 200:
            raise NotYet(
                f"task 2 has the same amount as task 1, and {bank.balance} came of both: it is the number "
                "that says whether a task is done."
            )
        bank.fresh()
        bank.pay(1, 100)
        if bank.balance != 100:
            raise NotYet(
                f"in another file, task 1 was not done, and {bank.balance} were paid in. What is done has to "
                "be noted in the file: the memory of this program ends with it."
            )
        for step in range(1, 20):
            bank.fresh()
            if not bank.pay(7, 50, fails_at=step).dead:
                break
            bank.pay(7, 50)
            if bank.balance != 50:
                how = "noted it, and had not paid in" if bank.balance == 0 else "paid in, and not noted it"
                raise NotYet(
                    f"the power failed after a worker had {how}. The next one was handed the same task, "
                    f"and there are {bank.balance} in the account, not 50. Put both into one with db:."
                )


def _pay_again(bank: _Bank, attempted: bool) -> None:
    try:
        bank.pay(1, 100)
    except sqlite3.IntegrityError:
        raise NotYet(
            "handed out a second time, the task raises IntegrityError, as its number is noted already. That "
            "is no error: there is nothing to do."
        ) from None
    if bank.balance == 200 and attempted:
        raise NotYet(
            "task 1 was handed out twice, and its 100 were paid in twice: note its number in done, and look "
            "there before you pay in."
        )
    if bank.balance == 200:
        raise NotAttempted("task 1 was handed out twice, and its 100 were paid in twice.")
    if bank.balance != 100:
        raise NotYet(f"task 1 of 100 was handed out twice, and there are {bank.balance} in the account.")


# --- A file in one piece -----------------------------------------------------------------------------

_OLD, _NEW = "old\n", ["one\n", "two\n", "three\n"]


@exercise(
    "05.write",
    "a reader finds the old file or the new one, never half of it.",
    "Whoever opens the file while you write it finds what is there so far. Write another one first.",
    "os.replace(new, path) gives a finished file the name path, in one step.",
    'new = path.with_suffix(".new"); with open(new, "w") as file: file.writelines(lines); then, after the '
    "with block: os.replace(new, path)",
)
def _write(write: Callable[..., object]) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "report.txt")
        _look_at_write(write, path, fails=False)
        if others := [other.name for other in Path(folder).iterdir() if other != path]:
            raise NotYet(f"all is written, and {short(others[0])} is left beside it.")
        _look_at_write(write, path, fails=True)


def _look_at_write(write: Callable[..., object], path: Path, fails: bool) -> None:
    path.write_text(_OLD)
    seen, renamed, taken = [], [], []

    def lines() -> Iterator[str]:
        for line in _NEW:
            seen.append(path.read_text() if path.exists() else None)
            taken.append(line)
            yield line
            if fails:
                raise PowerFailure("the power has failed")

    def noted(rename: Callable[..., None]) -> Callable[..., None]:
        def note(source: Any, target: Any) -> None:
            if Path(target).name == path.name:
                renamed.append(Path(source).read_text())
            rename(source, target)

        return note

    failed = False
    with mock.patch("os.replace", noted(os.replace)), mock.patch("os.rename", noted(os.rename)):
        try:
            within(5, write, path, lines())
        except PowerFailure:
            failed = True
    half = next((text for text in seen if text != _OLD), _OLD)
    found = path.read_text() if path.exists() else None
    if not taken:
        raise NotAttempted("no line was taken.")
    if half != _OLD and not renamed:
        raise NotAttempted(
            f"while it was being written, a reader found {short(half)} in the file: neither the old text nor "
            "the new one."
        )
    if half is None:
        raise NotYet("while it was being written, a reader found no file: leave the old one where it is.")
    if half != _OLD:
        raise NotYet(f"while it was being written, a reader found {short(half)} in the file.")
    if fails:
        if found != _OLD:
            raise NotYet(f"the power failed at the second line, and now the file holds {short(found)}.")
        if not failed:
            raise NotYet("an error came up while the lines were made, and whoever called was not told.")
        return
    if found == _OLD:
        raise NotYet("all lines were taken, and the file holds what it held before.")
    if found != "".join(_NEW):
        raise NotYet(f"the file was to hold {short(''.join(_NEW))}, and holds {short(found)}.")
    if not renamed:
        raise NotYet(
            "the file itself was written to. That takes a moment, in which a reader finds half of it, and so "
            "does everybody if the power fails: give a finished file its name by os.replace."
        )
    if renamed[-1] != found:
        raise NotYet(
            f"when it got its name, the new file held {short(renamed[-1])}: what is written is in the file "
            "only when it is closed. Rename after the with block."
        )


# --- A heartbeat -------------------------------------------------------------------------------------

_EVERY = 0.05  # seconds between heartbeats


@exercise(
    "05.heartbeat",
    "it beats while the job runs, and only then.",
    "The job keeps its thread busy, so another thread has to beat. How does it learn that the job is over?",
    "An Event: the thread beats until done.wait(every) is true, which it is as soon as done is set.",
    "def beats(): while not done.wait(every): beat() ... thread.start(); try: return job(); finally: "
    "done.set(); thread.join()",
)
def _heartbeat(with_heartbeat: Callable[..., object]) -> None:
    for fails in (False, True):
        _look_at_heartbeat(with_heartbeat, fails)


def _look_at_heartbeat(with_heartbeat: Callable[..., object], fails: bool) -> None:
    over = threading.Event()
    try:
        _look_at_beats(with_heartbeat, fails, over)
    finally:
        over.set()


def _look_at_beats(with_heartbeat: Callable[..., object], fails: bool, over: threading.Event) -> None:
    beats: list[float] = []
    during: list[int] = []
    third = threading.Event()

    def beat() -> None:
        if over.is_set():
            raise SystemExit  # of a thread that would beat for ever
        beats.append(time.monotonic())
        if len(beats) == 3:
            third.set()
        if len(beats) > 500:
            time.sleep(_EVERY)  # a thread that beats without a pause shall not take a core

    def job() -> str:
        before = len(beats)
        third.wait(2)
        time.sleep(_EVERY)
        during.append(len(beats) - before)
        if fails:
            raise KeyError("the job has failed")
        return "the job's value"

    began, failed, value = time.monotonic(), False, None
    try:
        value = within(6, with_heartbeat, beat, job, _EVERY)
    except KeyError:
        failed = True
    except NotYet as late:
        if during and "has not ended" in str(late):
            raise NotYet(
                "the job is over, and the function has not returned: does it wait for a thread that nobody "
                "tells to end?"
            ) from None
        raise
    at_return, elapsed = len(beats), time.monotonic() - began
    time.sleep(6 * _EVERY)
    how = " with an error" if fails else ""
    if not during:
        raise NotAttempted("the job was not run.") if not beats else NotYet("the job was not run.")
    if not beats:
        raise NotAttempted("the job has run, and beat() was never called.")
    if at_return > 2 * elapsed / _EVERY + 3:
        raise NotYet(
            f"beat() was called {at_return} times in {elapsed:.2f} s, and once every {_EVERY} s would do: is "
            "there a pause?"
        )
    if during[0] < 2:
        raise NotYet(
            f"while the job ran, beat() was called {during[0]} times: it has to be called again and again "
            "meanwhile, by a thread of its own."
        )
    if len(beats) > at_return + 1:
        raise NotYet(
            f"the job has ended{how}, and the heart still beats: everybody will believe for ever that this "
            "task is being worked on."
        )
    if fails and not failed:
        raise NotYet("the job raised a KeyError, and whoever called was not told.")
    if not fails and value != "the job's value":
        raise NotYet(f"what the job returned was to be returned; got {short(value)}.")
    if len(during) > 1:
        raise NotYet(f"the job was run {len(during)} times.")


# --- A retry that gives up ---------------------------------------------------------------------------


class Job:
    """A job that fails so many times, and notes how often it was run."""

    def __init__(self, fails: int, error: BaseException) -> None:
        """Raise ``error`` so many times, then return "done"."""
        self._fails, self._error, self.times = fails, error, 0

    def __call__(self) -> str:
        """Run once."""
        self.times += 1
        while self.times > 50:
            time.sleep(0.1)  # whoever never gives up shall not take a core
        if self.times <= self._fails:
            raise self._error
        return "done"


@exercise(
    "05.retry",
    "again after an error, not for ever, and the last error is told.",
    "for number in range(attempts): what has to happen in each round, and what is different in the last?",
    "In the last round, let the error pass: a bare raise within except raises it again.",
    "for number in range(attempts): try: return job() ... except Exception: if number == attempts - 1: raise",
)
def _retry(attempt: Callable[..., object]) -> None:
    job = Job(0, OSError("not now"))
    value = within(5, attempt, job, 3)
    if not job.times:
        raise NotAttempted("the job was not run.")
    if job.times > 1:
        raise NotYet(f"the job succeeded at once, and was run {job.times} times.")
    if value != "done":
        raise NotYet(f"what the job returns was to be returned; got {short(value)}.")
    job = Job(2, OSError("not now"))
    try:
        value = within(5, attempt, job, 3)
    except OSError:
        if job.times == 1:
            raise NotAttempted("the job raised OSError once, and was not tried again.") from None
        raise NotYet(
            f"the job fails twice and then succeeds. With three attempts, it was given up after {job.times}."
        ) from None
    if value != "done":
        raise NotYet(
            f"the job failed {min(job.times, 2)} times and was run {job.times} times; its value was to be "
            f"returned; got {short(value)}."
        )
    _give_up(attempt)


def _give_up(attempt: Callable[..., object]) -> None:
    job, raised = Job(1000, OSError("not now")), False
    try:
        value = within(3, attempt, job, 4)
    except OSError:
        raised = True
    except NotYet as late:
        if job.times > 4:
            raise NotYet(
                f"a job that always fails was to be run 4 times, and was run {job.times} times, with no end."
            ) from None
        raise late from None
    except Exception as error:
        raise NotYet(
            f"a job that always fails raised OSError, and the answer raises {type(error).__name__}: let the "
            "job's own error pass."
        ) from None
    if job.times != 4:
        raise NotYet(f"a job that always fails was to be run 4 times, and was run {job.times} times.")
    if not raised:
        raise NotYet(
            f"a job that always fails was given up, and {short(value)} was returned: whoever called does not "
            "learn that it has failed. Let the last error pass."
        )
    job = Job(1, KeyboardInterrupt("stop"))
    stopped = False

    def run() -> None:
        nonlocal stopped
        try:
            attempt(job, 4)
        except KeyboardInterrupt:
            stopped = True

    within(3, run)
    if not stopped:
        raise NotYet(
            "somebody pressed Ctrl-C while the job ran, and it was tried again: KeyboardInterrupt is no "
            "error of the job. except Exception lets it pass, a bare except does not."
        )
