"""The same job sent in two ways: with all that a file holds in the task, or with the path to it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from helpers import checks, measure
from helpers.experiments.wiretap import tapped
from helpers.jobqueue import Client
from helpers.show import short

_LINE = b"GET / 200\n"  # of a log file
_LARGE = 10**8  # bytes of a file that takes so long that one trip is enough


class Trip(NamedTuple):
    """One task there and back: the seconds until its result was here, and the result."""

    seconds: float
    digest: str


class Comparison(NamedTuple):
    """What passed on the line and the quickest trips, with "content" and with "path".

    Each row is in the order of ``sizes``, bytes of files. ``weights`` are the bytes that passed, both ways,
    between the master and whoever gave the task.
    """

    sizes: Sequence[int]
    weights: dict[str, list[int]]
    times: dict[str, list[float]]
    digests: dict[str, list[str]]


def both_ways(master: Client, log: Path) -> dict[str, Trip]:
    """Have a worker hash a file that it gets in the task, and then one of which it gets the path."""
    return {
        "content": _send(master, "hash_bytes", log.read_bytes()),
        "path": _send(master, "hash_file", str(log)),
    }


def _send(master: Client, function: str, argument: Any) -> Trip:
    began = time.perf_counter()
    [digest] = master.map(function, [argument])
    return Trip(time.perf_counter() - began, digest)


def compare(master: Client, sizes: Sequence[int]) -> Comparison:
    """Send log files of about these sizes, in bytes, both ways: timed, twice unless large, and past a tap.

    Workers of this master must be running, on this computer, as the files are in a temporary folder here.
    Raises ValueError for no sizes or one below 10; and what ``master.map`` raises.
    """
    if not sizes or min(sizes) < len(_LINE):
        raise ValueError(f"sizes: expected some of 10 bytes or more, got {short(sizes)}")
    found = Comparison(
        sizes, {"content": [], "path": []}, {"content": [], "path": []}, {"content": [], "path": []}
    )
    for size in sizes:
        with _log(size) as log:
            turns = [both_ways(master, log) for _ in range(2 if size < _LARGE else 1)]
            for way in found.times:
                trips = [turn[way] for turn in turns]
                found.times[way].append(min(trip.seconds for trip in trips))
                found.digests[way].append(trips[0].digest)
            found.weights["content"].append(_weigh(master, "hash_bytes", log.read_bytes()))
            found.weights["path"].append(_weigh(master, "hash_file", str(log)))
    return found


def _weigh(master: Client, function: str, argument: Any) -> int:
    """Return the bytes that pass for one task of a new client, its visit with them."""
    with tapped(master.host, master.port, keep=False) as tap:
        with Client(tap.host, tap.port, master.key) as client:
            _send(client, function, argument)
        return tap.passed


def race(master: Client, size: int, bound: float = 1.2, seconds: float = 3.0) -> measure.Comparison:
    """Find out whether a task with a file of so many bytes takes ``bound`` times as long as with its path.

    Raises what ``compare`` and ``measure.compare`` raise.
    """
    checks.whole(len(_LINE), size=size)
    with _log(size) as log:
        content = log.read_bytes()
        return measure.compare(
            lambda: _send(master, "hash_bytes", content).seconds,
            lambda: _send(master, "hash_file", str(log)).seconds,
            bound,
            seconds=seconds,
        )


@contextmanager
def _log(size: int) -> Iterator[Path]:
    """Write a log file of about so many bytes, for as long as the block lasts."""
    with TemporaryDirectory() as folder:
        log = Path(folder, f"{size}.log")
        log.write_bytes(_LINE * (size // len(_LINE)))
        yield log
