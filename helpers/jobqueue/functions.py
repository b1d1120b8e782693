"""What a worker can do, by name: a task names one of these and gives its argument."""

from collections.abc import Callable
from typing import Any

from helpers import jobs


def square(n: float) -> float:
    """Return n * n."""
    return n * n


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        square,
        jobs.pi_sum,
        jobs.pi_digits,
        jobs.hash_bytes,
        jobs.hash_file,
        jobs.fetch,
        jobs.send_mail,
        jobs.write_durably,
        jobs.crash,
    )
}


def find(name: str) -> Callable[..., Any]:
    """Return the function of this name. Raises ValueError that lists the names for any other."""
    if name not in FUNCTIONS:
        raise ValueError(f"function: expected one of {', '.join(FUNCTIONS)}, got {name!r}")
    return FUNCTIONS[name]
