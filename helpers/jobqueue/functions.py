"""What a worker can do, by name: a task names one of these and gives its argument."""

from collections.abc import Callable
from typing import Any


def square(n: float) -> float:
    """Return n * n."""
    return n * n


OF_JOBS = ("pi_sum", "pi_digits", "hash_bytes", "hash_file", "fetch", "send_mail", "write_durably", "crash")
"""The functions of ``jobs`` that a worker knows."""

FUNCTIONS = (square.__name__, *OF_JOBS)
"""The names of all that a worker knows."""


def find(name: str) -> Callable[..., Any]:
    """Return the function of this name. Raises ValueError that lists the names for any other."""
    check_name(name)
    if name == square.__name__:
        return square
    from helpers import jobs  # only here: a client, which has to know the names, need not wait for the import

    found: Callable[..., Any] = getattr(jobs, name)
    return found


def check_name(name: str) -> None:
    """Raise ValueError that lists the names if there is no function of this one."""
    if name not in FUNCTIONS:
        raise ValueError(f"function: expected one of {', '.join(FUNCTIONS)}, got {name!r}")
