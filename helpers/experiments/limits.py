"""What waiting together gains, and what ends it: fetches by ever more threads, and all their CPU time.

The client's CPU time is that of the whole process, so that nothing is left out: not the pool, not the taking
of turns. The server tells its own, and the system that of everybody else.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import pairwise
from math import log
from statistics import median
from urllib.parse import urljoin

import psutil

from helpers import checks
from helpers.show import short

Fetch = Callable[[str], object]
"""What fetches a URL."""

_POINT = 0.15  # seconds that a number of threads is measured for, about
_FEWEST = 3  # fetches of a point, at the least
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")  # psutil's names of what is not idle
_FULL, _SHARED = 0.8, 0.3  # cores: a client that keeps one busy, and others who may have kept it from that


# --- One fetch, by the server's delay ----------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """A fetch from a server with this delay: its wall time and its CPU time, each the median of several.

    All are in seconds. The server's CPU time is not counted: it is part of what is waited for.
    """

    delay: float
    seconds: float
    cpu: float

    @property
    def share(self) -> float:
        """The share of its time, 0 to 1, in which the fetch waited."""
        return max(0.0, 1 - self.cpu / self.seconds)

    @property
    def rest(self) -> float:
        """What is left of the share to 1, but never nothing: a clock of CPU time is only so fine."""
        return max(1 - self.share, 1e-6)

    def waits(self, share: float) -> bool | None:
        """Tell whether so large a share of its time, 0 to 1, was waiting.

        None where the clock of CPU time has not moved during half of the fetches: that of Windows does so
        64 times a second.
        """
        return self.share >= share if self.cpu else None

    def computes(self, share: float) -> bool | None:
        """Tell whether a larger share of its time than this was CPU time; None as for ``waits``."""
        return self.share < 1 - share if self.cpu else None


def waits(fetch: Fetch, url: str, delays: Sequence[float], seconds: float = 0.2) -> list[Wait]:
    """Fetch one after another from a server of ``servers``, with each delay; return a point for each.

    A delay has as many fetches as take ``seconds``, 3 to 20. Raises ValueError for arguments that make no
    sense, and what ``fetch`` does.
    """
    checks.http(url)
    checks.seconds(0, 60, seconds=seconds)
    _check_list("delays", delays)
    for number, delay in enumerate(delays):
        checks.seconds(0, 10, **{f"delays[{number}]": delay})
    fetch(url)  # the first has more to do, such as to import what it needs
    return [_wait(fetch, url, delay, seconds) for delay in delays]


def _wait(fetch: Fetch, url: str, delay: float, seconds: float) -> Wait:
    address = urljoin(url, f"?wait={delay}")
    walls, cpus = [], []
    for _ in range(max(_FEWEST, min(20, int(seconds / (delay + 0.001))))):
        cpu, began = time.process_time(), time.perf_counter()
        fetch(address)
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
    return Wait(delay, median(walls), median(cpus))


def reaches(points: Sequence[Wait], share: float) -> float | None:
    """Return from which delay on so large a share of a fetch is waiting; None if it is not, at the longest.

    Between two points it is read off a straight line on logarithmic axes, of the delay and of what is left of
    the share to 1: for the same CPU time, twice the delay leaves half of it.
    """
    if not 0 < share < 1:
        raise ValueError(f"share: expected one between 0 and 1, got {short(share)}")
    line = sorted(points, key=lambda point: point.delay)
    if not line or line[-1].share < share:
        return None
    for before, after in reversed(list(pairwise(line))):
        if before.share < share:
            part = log(before.rest / (1 - share)) / log(before.rest / after.rest)
            return float(before.delay ** (1 - part) * after.delay**part) if before.delay else after.delay
    return line[0].delay


# --- Many fetches at once ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Crowd:
    """Fetches by so many threads of one process: how many, in how long, and everybody's CPU time.

    ``seconds`` is wall time. ``client`` is the CPU time of the whole process that fetched, ``server`` that
    of the one that answered, and ``others`` that of all other programs on this computer, in seconds.
    """

    threads: int
    fetches: int
    seconds: float
    client: float
    server: float
    others: float

    @property
    def rate(self) -> float:
        """Fetches per second."""
        return self.fetches / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU seconds of the client for each fetch."""
        return self.client / self.fetches

    @property
    def client_busy(self) -> float:
        """How many cores the client kept busy, on average."""
        return self.client / self.seconds

    @property
    def server_busy(self) -> float:
        """How many cores the server kept busy, on average."""
        return self.server / self.seconds

    @property
    def limit(self) -> float:
        """The fetches per second at which the client would keep one core busy all the time."""
        return 1 / self.cpu_each

    @property
    def is_full(self) -> bool | None:
        """Whether the client kept at least four fifths of a core busy.

        None if it did not, and other programs had so much CPU time that they may have taken it.
        """
        if self.client_busy >= _FULL:
            return True
        return None if self.others / self.seconds >= _SHARED else False


def crowds(
    fetch: Fetch, url: str, threads: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128), rounds: int = 2
) -> list[Crowd]:
    """Fetch from a server of ``servers`` by so many threads at once; return a point for each number.

    All threads of a number are up before its clock starts. The numbers take turns in each round, there and
    back, and a point has the sums of all rounds. Raises ValueError for arguments that make no sense, and
    what ``fetch`` does.
    """
    checks.http(url)
    checks.whole(rounds=rounds)
    _check_list("threads", threads)
    for number, count in enumerate(threads):
        checks.whole(1, 1000, **{f"threads[{number}]": count})
    points: dict[int, list[Crowd]] = {number: [] for number in threads}
    for turn in range(rounds):
        for number in list(threads)[:: -1 if turn % 2 else 1]:
            points[number].append(_crowd(fetch, url, number))
    return [_sum(of_all_rounds) for of_all_rounds in points.values()]


def _crowd(fetch: Fetch, url: str, threads: int) -> Crowd:
    with ThreadPoolExecutor(threads) as pool:
        try:
            began = time.perf_counter()
            list(pool.map(fetch, [url] * 2 * threads))  # a warm-up, which also tells how fast it goes
            at_most = 2 * threads * _POINT / (time.perf_counter() - began)
            fetches = max(threads, int(at_most) // threads * threads)
            before = _clocks(url)
            list(pool.map(fetch, [url] * fetches))
            seconds, client, server, everybody = (
                now - then for now, then in zip(_clocks(url), before, strict=True)
            )
        except BaseException:  # an interrupt: send no more
            pool.shutdown(cancel_futures=True)
            raise
    return Crowd(threads, fetches, seconds, client, server, max(0.0, everybody - client - server))


def _clocks(url: str) -> tuple[float, float, float, float]:
    """Return the wall time, and the CPU time of this process, of the server and of everybody."""
    system = psutil.cpu_times()
    everybody = sum(getattr(system, name, 0.0) for name in _BUSY)
    server = _cpu_of(url)
    return time.perf_counter(), time.process_time(), server, everybody


def _cpu_of(url: str) -> float:
    """Ask a server of ``servers`` for the CPU time that it has used so far, in seconds."""
    host, page = checks.http(urljoin(url, "/cpu"))
    with closing(HTTPConnection(host, timeout=10)) as connection:
        connection.request("GET", page)
        return float(connection.getresponse().read())


def _sum(crowds: Sequence[Crowd]) -> Crowd:
    names = ("fetches", "seconds", "client", "server", "others")
    return Crowd(crowds[0].threads, *(sum(getattr(crowd, name) for crowd in crowds) for name in names))


def _check_list(name: str, items: object) -> None:
    if not isinstance(items, Sequence) or not items:
        raise ValueError(f"{name}: expected a list of at least one number, got {short(items)}")
