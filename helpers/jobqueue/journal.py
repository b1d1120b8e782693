"""A board on disk: what a master must not forget, in one SQLite file.

Every call that changes the board is one transaction, written before the call is answered. So a master that is
killed and started again on the file has every task that was accepted, with the errors of its tries, and every
result that was not collected. What was in a worker's hands waits again.

By default a transaction is handed to the operating system, which keeps it when the master dies, but not when
the power fails. With ``fsync`` each transaction waits until the disk has it.
"""

import pickle
import sqlite3
from collections import deque
from pathlib import Path
from typing import Any

from helpers.jobqueue.board import Board, Result, Shelved, Task
from helpers.jobqueue.errors import QueueError, UsageError

VERSION = 1
_APPLICATION = 0x7468706A  # "thpj": so that another program's file is not taken for a journal
_TABLES = """
CREATE TABLE board (name TEXT NOT NULL);
CREATE TABLE batch (name TEXT PRIMARY KEY, client TEXT, next INTEGER, collected INTEGER);
CREATE TABLE task (place INTEGER PRIMARY KEY, batch TEXT, number INTEGER, function TEXT, argument BLOB,
                   errors BLOB, alone INTEGER DEFAULT 0);
CREATE TABLE result (place INTEGER PRIMARY KEY, batch TEXT, number INTEGER, worker TEXT,
                     errors BLOB, report BLOB);
CREATE TABLE shelf (place INTEGER PRIMARY KEY, batch TEXT, number INTEGER, function TEXT, errors BLOB);
"""


class Journal:
    """The file. It notes what happens on a board, and writes it by ``commit``."""

    def __init__(self, path: str, fsync: bool = False) -> None:
        """Open the file, or make it where there is none.

        Raises UsageError for a file that is no journal, is one of another version, belongs to a running
        master, or cannot be read and written; it is left as it was.
        """
        self._path = path
        self._added: list[tuple[Any, ...]] = []
        self._ended: list[tuple[Any, ...]] = []
        self._gone: list[tuple[int]] = []
        self._rest: list[tuple[str, tuple[Any, ...]]] = []
        self._next: dict[str, tuple[str, int]] = {}
        self._collected: dict[str, int] = {}
        self._places: dict[str, deque[int]] = {}  # of the results of each batch that wait to be collected
        self._place = 0
        try:
            self._connection = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            try:
                self.name = self._open(fsync)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise UsageError(f"journal {path}: {_why(error)}") from None

    def _open(self, fsync: bool) -> str:
        """Check whose file it is before anything is written, and return the name of its board."""
        ask = self._connection.execute
        ask("PRAGMA locking_mode = EXCLUSIVE")
        (application,), (version,) = (
            ask("PRAGMA application_id").fetchone(),
            ask("PRAGMA user_version").fetchone(),
        )
        is_new = not ask("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new and application != _APPLICATION:
            raise UsageError(
                f"journal {self._path}: this is no journal, another program made it: name another file"
            )
        if not is_new and version != VERSION:
            raise UsageError(
                f"journal {self._path}: it has version {version}, and this master writes {VERSION}: name "
                "another file, or go on with the master that made it"
            )
        ask(f"PRAGMA synchronous = {'FULL' if fsync else 'OFF'}")
        if is_new:
            ask(f"PRAGMA application_id = {_APPLICATION}")
            ask(f"PRAGMA user_version = {VERSION}")
        ask("PRAGMA journal_mode = WAL")
        ask("BEGIN IMMEDIATE")
        if is_new:
            for statement in _TABLES.split(";\n")[:-1]:
                ask(statement)
            ask("INSERT INTO board VALUES (lower(hex(randomblob(8))))")
        ask("COMMIT")
        name: str = ask("SELECT name FROM board").fetchone()[0]
        return name

    def restore(self, board: Board) -> None:
        """Have a new board go on where the last one was."""
        ask = self._connection.execute
        batches = {name: (client, next, had) for name, client, next, had in ask("SELECT * FROM batch")}
        tasks = [
            Task(batch, number, function, argument, place, alone=bool(alone), errors=_read(errors, ()))
            for place, batch, number, function, argument, errors, alone in ask(
                "SELECT * FROM task ORDER BY place"
            )
        ]
        results = []
        for place, batch, number, worker, errors, report in ask("SELECT * FROM result ORDER BY place"):
            results.append((batch, Result(number, worker, _read(errors, ()), _read(report, None))))
            self._places.setdefault(batch, deque()).append(place)
            self._place = place
        board.restore(batches, tasks, results)
        for _, batch, number, function, errors in ask("SELECT * FROM shelf ORDER BY place"):
            board.shelf.append(Shelved(batch, number, function, _read(errors, ())))
        board.journal = self

    def added(self, task: Task, client: str) -> None:
        """Note that a client has put up a task."""
        self._added.append((task.order, task.batch, task.number, task.function, task.argument))
        self._next[task.batch] = (client, task.number + 1)

    def failed(self, task: Task) -> None:
        """Note that a task has another error, or may only be lent alone."""
        change = "UPDATE task SET errors = ?, alone = ? WHERE place = ?"
        self._rest.append((change, (_write(task.errors), task.alone, task.order)))

    def ended(self, task: Task, result: Result) -> None:
        """Note that a task has come to its end."""
        self._gone.append((task.order,))
        self._place += 1
        self._places.setdefault(task.batch, deque()).append(self._place)
        errors = _write(result.errors) if result.errors else None
        report = None if result.report is None else _write(result.report)
        self._ended.append((self._place, task.batch, task.number, result.worker, errors, report))
        if errors:
            shelved = (task.batch, task.number, task.function, errors)
            self._rest.append(
                ("INSERT INTO shelf (batch, number, function, errors) VALUES (?, ?, ?, ?)", shelved)
            )
            self._rest.append(
                ("DELETE FROM shelf WHERE place <= (SELECT max(place) FROM shelf) - ?", (1000,))
            )

    def collected(self, batch: str, count: int) -> None:
        """Note that a client has the first results of a batch."""
        self._collected[batch] = self._collected.get(batch, 0) + count

    def cancelled(self, batch: str) -> None:
        """Note that a batch is forgotten."""
        for table, column in (("task", "batch"), ("result", "batch"), ("batch", "name")):
            self._rest.append((f"DELETE FROM {table} WHERE {column} = ?", (batch,)))
        self._places.pop(batch, None)

    def commit(self) -> None:
        """Write all that was noted. Raises QueueError when that is not possible; nothing is written then."""
        if not (self._added or self._ended or self._rest or self._collected):
            return
        ask, many = self._connection.execute, self._connection.executemany
        try:
            ask("BEGIN")
            for batch, (client, next_number) in self._next.items():
                known = "ON CONFLICT (name) DO UPDATE SET next = excluded.next"
                ask(f"INSERT INTO batch VALUES (?, ?, ?, 0) {known}", (batch, client, next_number))
            many(
                "INSERT INTO task (place, batch, number, function, argument) VALUES (?, ?, ?, ?, ?)",
                self._added,
            )
            many("DELETE FROM task WHERE place = ?", self._gone)
            many("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)", self._ended)
            for batch, count in self._collected.items():
                ask("UPDATE batch SET collected = collected + ? WHERE name = ?", (count, batch))
                places = self._places.get(batch, deque())
                many(
                    "DELETE FROM result WHERE place = ?",
                    [(places.popleft(),) for _ in range(min(count, len(places)))],
                )
            for statement, values in self._rest:
                ask(statement, values)
            ask("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                ask("ROLLBACK")
            raise QueueError(f"journal {self._path}: {_why(error)}") from None
        finally:
            self.forget()

    def forget(self) -> None:
        """Forget what was noted and not written."""
        for noted in (self._added, self._ended, self._gone, self._rest):
            noted.clear()
        self._next.clear()
        self._collected.clear()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _write(value: object) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _read(packed: bytes | None, default: Any) -> Any:
    return default if packed is None else pickle.loads(packed)


def _why(error: sqlite3.Error) -> str:
    """Return what is wrong with the file, and what to do."""
    text = str(error)
    remedies = {
        "locked": "another master has it: stop that one, or name another file",
        "not a database": "this is no journal: name another file",
        "malformed": "it is damaged: name another file, and look for a copy of this one",
        "full": "its disk is full: make room, then start the master again",
        "unable to open": "it cannot be opened: name a file in a folder that is there and can be written to",
        "readonly": "it cannot be written: name a file in a folder that is there and can be written to",
    }
    return next((remedy for part, remedy in remedies.items() if part in text), f"{text}: name another file")


def check_folder(path: str) -> None:
    """Check that a journal could be here. Raises UsageError."""
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"journal {path}: there is no such folder: make it, or name another file")
