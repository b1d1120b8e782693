"""What can go wrong with a queue that its user can mend; each error has the exit code of the programs."""


class QueueError(Exception):
    """Something a user can mend. The message says what and how; ``exit_code`` is the program's."""

    exit_code = 2


class KeyRefused(QueueError):
    """The master has another key."""

    exit_code = 3


class NobodyThere(QueueError):
    """No master answers at the address."""

    exit_code = 4


class MasterGone(QueueError):
    """The master has left, or cannot be reached any more."""

    exit_code = 5
