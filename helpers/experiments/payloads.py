"""The same job sent in two ways: with all that a file holds in the task, or with the path to it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from helpers import checks, measure
from helpers.experiments.wiretap import Tap, tapped
from helpers.jobqueue import Client
from helpers.show import short

_LINE = b"GET / 200\n"  # of a log file
_LARGE = 10**7  # bytes of a file that takes so long that one trip is enough


class Trip(NamedTuple):
    """One task there and back: the bytes that passed, the seconds until its result was here, the result."""

    weight: int
    seconds: float
    digest: str


class Comparison(NamedTuple):
    """The quickest trips with "content" and with "path", each in the order of ``sizes``, bytes of files.

    ``weights`` are the bytes that passed, both ways, between the master and whoever gave the task.
    """

    sizes: Sequence[int]
    weights: dict[str, list[int]]
    times: dict[str, list[float]]
    digests: dict[str, list[str]]


def both_ways(client: Client, log: Path, tap: Tap | None = None) -> dict[str, Trip]:
    """Have a worker hash a file that it gets in the task, and then one of which it gets the path."""
    return {
        "content": _send(client, "hash_bytes", log.read_bytes(), tap),
        "path": _send(client, "hash_file", str(log), tap),
    }


def _send(client: Client, function: str, argument: Any, tap: Tap | None = None) -> Trip:
    """Give a task; its weight is what passes the tap meanwhile, 0 without one."""
    before, began = tap.passed if tap else 0, time.perf_counter()
    [digest] = client.map(function, [argument])
    seconds = time.perf_counter() - began
    return Trip(tap.passed - before if tap else 0, seconds, digest)


def compare(master: Client, sizes: Sequence[int]) -> Comparison:
    """Send log files of about these sizes, in bytes, both ways in turns, past a tap; twice, unless large.

    Workers of this master must be running, on this computer, as the files are in a temporary folder here.
    Raises ValueError for no sizes or one below 10; and what ``master.map`` raises.
    """
    if not sizes or min(sizes) < len(_LINE):
        raise ValueError(f"sizes: expected some of 10 bytes or more, got {short(sizes)}")
    best: dict[str, list[Trip]] = {"content": [], "path": []}
    with (
        tapped(master.host, master.port, keep=False) as tap,
        Client(tap.host, tap.port, master.key) as client,
    ):
        for size in sizes:
            with _log(size) as log:
                turns = [both_ways(client, log, tap) for _ in range(2 if size < _LARGE else 1)]
            for way, trips in best.items():
                trips.append(min((turn[way] for turn in turns), key=lambda trip: trip.seconds))
    weights = {way: [trip.weight for trip in trips] for way, trips in best.items()}
    times = {way: [trip.seconds for trip in trips] for way, trips in best.items()}
    return Comparison(sizes, weights, times, {way: [trip.digest for trip in best[way]] for way in best})


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
