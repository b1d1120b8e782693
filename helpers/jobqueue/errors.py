"""What can go wrong with a queue that its user can mend; each error has the exit code of the programs.

Only a lost connection is ``MasterGone``. A program's own trouble (no more open files, no memory) and what the
master could not do are told as what they are.
"""

import errno
import os


class QueueError(Exception):
    """Something a user can mend. The message says what and how; ``exit_code`` is the program's."""

    exit_code = 1


class UsageError(QueueError):
    """A program was started with options that do not do."""

    exit_code = 2


class KeyRefused(QueueError):
    """The master has another key."""

    exit_code = 3


class NobodyThere(QueueError):
    """No master answers at the address."""

    exit_code = 4


class MasterGone(QueueError):
    """The connection to the master is lost: it has left, or cannot be reached any more."""

    exit_code = 5


_LOST = {
    getattr(errno, name)
    for name in ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENETRESET")
    if hasattr(errno, name)
}
_REMEDIES = {
    errno.EMFILE: "close some of this program's files or connections, or raise its limit (ulimit -n)",
    errno.ENFILE: "close other programs: this computer has no more files to open",
    errno.ENOMEM: "close other programs, or send less at a time",
    errno.ENOBUFS: "close other programs, or send less at a time",
    errno.EBADF: "something in this program, a task perhaps, has closed a connection that is not its own",
}


def is_lost(error: BaseException) -> bool:
    """Tell whether an error says that the other side, or the way to it, is gone."""
    return isinstance(error, EOFError | ConnectionError) or getattr(error, "errno", None) in _LOST


def is_ours(error: BaseException) -> bool:
    """Tell whether an error is a time-out of our own; the system's, of a connection that is lost, is none."""
    return isinstance(error, TimeoutError) and error.errno is None


def own_trouble(error: OSError) -> QueueError:
    """Return what to say of an error that is this computer's, and not the other side's."""
    code = error.errno or 0
    what = os.strerror(code) if code else str(error)
    remedy = _REMEDIES.get(code, "this is this computer's own trouble, and not the master's")
    return QueueError(f"the master cannot be asked ({what}): {remedy}")
