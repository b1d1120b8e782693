"""A board on disk: what a master must not forget, in one SQLite file.

Each call that changes the board adds an entry of what has changed, in one transaction, before the call is
answered. A master that is killed and started again on the file reads all entries from the first: so it has
every task that was accepted, with the errors of its tries, and every result that was not collected. What was
in a worker's hands waits again. Now and then the entries are replaced by those that tell of what the board
holds at that time, so that the file stays about as large as that.

By default a transaction is handed to the operating system, which keeps it when the master dies, but not when
the power fails. With ``fsync`` each transaction waits until the disk has it.
"""

import contextlib
import io
import pickle
import sqlite3
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from helpers.jobqueue.board import Board, Recorder, Result, Shelved, Task
from helpers.jobqueue.errors import QueueError, UsageError

VERSION = 1
_APPLICATION = 0x7468706A  # "thpj": so that another program's file is not taken for a journal
_SMALL = 16_000_000  # bytes of entries up to which they are left alone
_PIECE = 64_000_000  # bytes of an entry in one row, as SQLite's are limited
_CHANGES = 1000  # in one entry, when all are written anew


class Journal(Recorder):
    """The file. It notes what happens on a board, and writes it by ``commit``."""

    def __init__(self, path: str, fsync: bool = False) -> None:
        """Open the file, or make it where there is none.

        Raises UsageError for a file that is no journal, is one of another version, belongs to a running
        master, or cannot be read and written; it is left as it was.
        """
        self._path = path
        self._board: Board | None = None
        self._changes: list[tuple[Any, ...]] = []
        self._size, self._limit = 0, _SMALL  # bytes of entries: so many, and when to write them anew
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
        (application,) = ask("PRAGMA application_id").fetchone()
        (version,) = ask("PRAGMA user_version").fetchone()
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
            ask("CREATE TABLE board (name TEXT NOT NULL)")
            ask("CREATE TABLE entry (place INTEGER PRIMARY KEY, piece BLOB NOT NULL, is_last INTEGER)")
            ask("INSERT INTO board VALUES (lower(hex(randomblob(8))))")
        ask("COMMIT")
        name: str = ask("SELECT name FROM board").fetchone()[0]
        return name

    def restore(self, board: Board) -> None:
        """Have a new board go on where the last one was, and note what happens on it from now on.

        Raises UsageError for a file that is damaged.
        """
        batches: dict[str, tuple[str, int]] = {}  # its client, and results that were collected
        tasks: dict[str, dict[int, Task]] = {}  # by batch and number
        nexts: dict[str, int] = {}  # the lowest number that a new task may have
        results: dict[str, deque[Result]] = {}
        try:
            for change in self._read():
                match change:
                    case "batch", name, client, next_number, count:
                        batches[name], nexts[name] = (client, count), next_number
                        tasks[name], results[name] = {}, deque()
                    case "added", order, name, number, function, argument:
                        tasks[name][number] = Task(name, number, function, argument, order)
                        nexts[name] = max(nexts[name], number + 1)
                    case "failed", name, number, errors, alone:
                        tasks[name][number].errors, tasks[name][number].alone = errors, alone
                    case "ended", name, result:
                        tasks[name].pop(result[0], None)
                        results[name].append(result)
                    case "shelved", *values:
                        board.shelf.append(Shelved(*values))
                    case "collected", name, count:
                        client, before = batches[name]
                        batches[name] = client, before + count
                        for _ in range(count):
                            results[name].popleft()
                    case "cancelled", name:
                        del batches[name], tasks[name], results[name], nexts[name]
        except (sqlite3.Error, pickle.UnpicklingError, LookupError, ValueError, TypeError, EOFError) as error:
            raise UsageError(
                f"journal {self._path}: it is damaged ({error}): name another file, and look for a copy"
            ) from None
        board.restore(
            {name: (client, nexts[name], count) for name, (client, count) in batches.items()},
            sorted(
                (task for known in tasks.values() for task in known.values()), key=lambda task: task.order
            ),
            [(name, result) for name, known in results.items() for result in known],
        )
        self._board, board.journal = board, self

    def batch(self, name: str, client: str, next_number: int, collected: int) -> None:
        """Note that a client has a batch, the next number of a task in it, and how many results it has."""
        self._changes.append(("batch", name, client, next_number, collected))

    def added(self, task: Task) -> None:
        """Note that there is a new task."""
        self._changes.append(("added", task.order, task.batch, task.number, task.function, task.argument))

    def failed(self, task: Task) -> None:
        """Note that a task has another error, or may only be lent alone."""
        self._changes.append(("failed", task.batch, task.number, task.errors, task.alone))

    def ended(self, batch: str, result: Result) -> None:
        """Note that a task has come to its end."""
        self._changes.append(("ended", batch, result))

    def shelved(self, task: Shelved) -> None:
        """Note that a task was given up."""
        self._changes.append(("shelved", *task))

    def collected(self, batch: str, count: int) -> None:
        """Note that a client has the first results of a batch."""
        self._changes.append(("collected", batch, count))

    def cancelled(self, batch: str) -> None:
        """Note that a batch is forgotten."""
        self._changes.append(("cancelled", batch))

    def commit(self) -> None:
        """Write all that was noted. Raises QueueError when that is not possible; nothing is written then."""
        if self._changes:
            changes, self._changes = self._changes, []
            self._write([changes], anew=False)
            if self._size > self._limit:
                self._limit = 2 * self._size  # should there be no place now
                with contextlib.suppress(QueueError):
                    self._write_anew()
                    self._limit = max(_SMALL, 4 * self._size)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _write_anew(self) -> None:
        """Replace all entries by what tells of the board as it is."""
        assert self._board
        self._changes.clear()
        self._board.tell(self)
        changes, self._changes = iter(self._changes), []
        self._write(iter(lambda: list(islice(changes, _CHANGES)), []), anew=True)

    def _write(self, entries: "list[list[Any]] | Iterator[list[Any]]", anew: bool) -> None:
        """Write entries in one transaction, in the place of all others if that is wished."""
        ask, size = self._connection.execute, 0 if anew else self._size
        try:
            ask("BEGIN")
            if anew:
                ask("DELETE FROM entry")
            for changes in entries:
                packed = pickle.dumps(changes, pickle.HIGHEST_PROTOCOL)
                for first in range(0, len(packed), _PIECE):
                    piece = packed[first : first + _PIECE]
                    ask(
                        "INSERT INTO entry (piece, is_last) VALUES (?, ?)",
                        (piece, first + _PIECE >= len(packed)),
                    )
                size += len(packed)
            ask("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                ask("ROLLBACK")
            if not isinstance(error, sqlite3.Error):
                raise
            raise QueueError(f"journal {self._path}: {_why(error)}") from None
        self._size = size

    def _read(self) -> Iterator[tuple[Any, ...]]:
        """Yield all changes, from the first."""
        packed = b""
        for piece, is_last in self._connection.execute("SELECT piece, is_last FROM entry ORDER BY place"):
            packed += piece
            if is_last:
                self._size += len(packed)
                yield from _Plain(io.BytesIO(packed)).load()
                packed = b""


class _Plain(pickle.Unpickler):
    """Reads numbers, texts, bytes and what is made of them alone: a journal cannot run anything."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse any other class."""
        raise pickle.UnpicklingError(f"{module}.{name} does not belong there")


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
