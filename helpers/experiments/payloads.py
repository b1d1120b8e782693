"""The same job sent in two ways: with all that a file holds in the task, or with the path to it."""

import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from helpers.jobqueue import Client
from helpers.show import short

_LINE = b"GET / 200\n"  # of a log file


class Trip(NamedTuple):
    """One task there and back: its bytes, the seconds until its result was here, and the result."""

    weight: int
    seconds: float
    digest: str


class Comparison(NamedTuple):
    """The quickest trips with "content" and with "path", each in the order of ``sizes``, bytes of files."""

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
    return Trip(len(pickle.dumps(argument)), time.perf_counter() - began, digest)


def compare(master: Client, sizes: Sequence[int]) -> Comparison:
    """Send log files of about these sizes, in bytes, both ways in turns, twice each.

    Workers of this master must be running, on this computer, as the files are in a temporary folder here.
    Raises ValueError for no sizes or one below 10; and what ``master.map`` raises.
    """
    if not sizes or min(sizes) < len(_LINE):
        raise ValueError(f"sizes: expected some of 10 bytes or more, got {short(sizes)}")
    best: dict[str, list[Trip]] = {"content": [], "path": []}
    with TemporaryDirectory() as folder:
        for size in sizes:
            log = Path(folder, f"{size}.log")
            log.write_bytes(_LINE * (size // len(_LINE)))
            turns = [both_ways(master, log) for _ in range(2)]
            for way, trips in best.items():
                trips.append(min((turn[way] for turn in turns), key=lambda trip: trip.seconds))
    weights = {way: [trip.weight for trip in trips] for way, trips in best.items()}
    times = {way: [trip.seconds for trip in trips] for way, trips in best.items()}
    return Comparison(sizes, weights, times, {way: [trip.digest for trip in best[way]] for way in best})
