"""Three kinds of web server under the same load, and what a crash costs each; all three have a supervisor."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from time import monotonic, sleep

from helpers import checks, measure, servers

_LOAD = {"requests": 40, "clients": 8}
_WAIT = "?wait=0.005"  # seconds for which each answer waits, as for a database
_WHOLE = 30  # seconds that a server may need to start a worker anew, on a very busy computer
_Running = dict[str, servers.Server]


@dataclass(frozen=True)
class Figures:
    """Of one kind of server: the rates of each round (answers a second), its memory, its latency.

    ``memory`` is in bytes, of all its processes together; ``latency`` is the median of the rounds' medians,
    in seconds.
    """

    rates: tuple[float, ...]
    memory: int
    latency: float

    @property
    def row(self) -> dict[str, float]:
        """What ``charts.panels`` shows of it."""
        return {
            "answers per second": median(self.rates),
            "memory (MiB)": self.memory / 2**20,
            "median latency (ms)": self.latency * 1000,
        }


@dataclass(frozen=True)
class Crashes:
    """Of one kind of server: the requests that each crash cost, and the seconds until it answered again.

    ``lost`` are requests other than the one that crashed it, one number a round, from a crash under load.
    ``outages`` are those of a crash while nothing else was to be done, and ``newcomers`` tell for each of
    them whether the next answer came from a process that was not there before the crash.
    """

    lost: tuple[int, ...]
    outages: tuple[float, ...]
    newcomers: tuple[bool, ...]

    @property
    def cost(self) -> int:
        """Requests lost in all crashes together."""
        return sum(self.lost)

    @property
    def away(self) -> float:
        """The median of the outages, in seconds."""
        return median(self.outages)

    @property
    def row(self) -> dict[str, float]:
        """What ``charts.panels`` shows of it."""
        return {
            "requests lost in a crash": self.cost / len(self.lost),
            "time to the next answer (ms)": self.away * 1000,
        }


def under_load(seconds: float = 2.5) -> tuple[dict[str, Figures], measure.Comparison]:
    """Give three servers, one of each of ``servers.KINDS``, the same load in turns; return their figures.

    The comparison is of the time that the server of processes takes for the load with the time of the server
    of threads, above or below 0.67 times as long, so that those of threads need at most half as long again.
    """
    loads: dict[str, list[servers.Load]] = {kind: [] for kind in servers.KINDS}

    def timed(kind: str, server: servers.Server) -> float:
        loads[kind].append(servers.load(server.url + _WAIT, **_LOAD))
        return loads[kind][-1].seconds

    with _running() as three:
        memory = {kind: server.memory().bytes for kind, server in three.items()}
        compared = measure.compare(
            lambda: timed("pre-fork", three["pre-fork"]),
            lambda: timed("threaded", three["threaded"]),
            bound=0.67,
            seconds=seconds,
        )
        for _ in range(5):
            timed("hybrid", three["hybrid"])
    figures = {
        kind: Figures(
            tuple(load.requests_per_second for load in loads[kind]),
            memory[kind],
            median(load.median for load in loads[kind]),
        )
        for kind in servers.KINDS
    }
    return figures, compared


def crashed(rounds: int = 5) -> dict[str, Crashes]:
    """Crash a process of each kind of server, under load and idle, once a round; return what that cost.

    Before each crash all its workers are there. Raises ValueError for fewer rounds than one, RuntimeError
    when a server does not get well.
    """
    checks.whole(rounds=rounds)
    with _running() as three:
        workers = {kind: len(server.pids) for kind, server in three.items()}
        found: dict[str, list[tuple[int, float, bool]]] = {kind: [] for kind in three}
        for _ in range(rounds):
            for kind, server in three.items():
                lost = servers.load(server.url + _WAIT, **_LOAD, crash_at=20).lost
                _await(lambda: len(server.pids) == workers[kind])  # noqa: B023, called at once
                before = server.pids
                outage, who = servers.outage(server.url)
                _await(lambda: len(server.pids) == workers[kind])  # noqa: B023
                found[kind].append((lost, outage, who not in before))
    return {kind: Crashes(*zip(*each, strict=True)) for kind, each in found.items()}


@contextmanager
def _running() -> Iterator[_Running]:
    """Start a server of each kind."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(servers.serving(kind)) for kind in servers.KINDS}


def _await(whole: Callable[[], bool]) -> None:
    end = monotonic() + _WHOLE
    while not whole():
        if monotonic() > end:
            raise RuntimeError("a server has not started its worker anew")
        sleep(0.005)
