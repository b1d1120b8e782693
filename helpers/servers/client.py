"""The load on a server: many clients at once, each sending its next request when it has its answer."""

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from statistics import median
from urllib.parse import urljoin

from helpers import checks

_Answer = tuple[float, int]  # seconds it took, and the process that gave it
_ANSWER_TIMEOUT = 30  # seconds that a client waits for an answer, on a very busy computer


@dataclass(frozen=True)
class Load:
    """What became of a load: seconds to each answer, requests lost, seconds in all, who answered.

    ``lost`` is the number of requests with no answer or a broken one, the one that crashed the server not
    among them; ``pids`` are the processes that answered.
    """

    latencies: tuple[float, ...]
    lost: int
    seconds: float
    pids: frozenset[int]

    def __repr__(self) -> str:
        """Return the figures in one line."""
        return (
            f"<Load: {len(self.latencies)} answers by {len(self.pids)} processes, {self.lost} lost, "
            f"{self.seconds:.3g} s>"
        )

    @property
    def requests_per_second(self) -> float:
        """Requests answered, for each second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    @property
    def median(self) -> float:
        """Seconds within which half of the answers came; not a number (nan) when none came."""
        return median(self.latencies) if self.latencies else math.nan


def load(url: str, requests: int = 200, clients: int = 8, crash_at: int | None = None) -> Load:
    """Send requests to a server of ``serving``, from many clients at once; return what became of them.

    After the first ``crash_at`` requests, one for /crash is sent in between. Once nobody listens any more
    (connection refused), what is still to be sent is not tried: it is lost. Raises ValueError for arguments
    that make no sense.
    """
    _check(url, requests, clients, crash_at)
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as crowd:
        try:
            tasks = _send(crowd, url, requests, crash_at)
            answers = [answer for task in tasks if (answer := task.result())]
        except BaseException:  # an interrupt: send no more
            crowd.shutdown(cancel_futures=True)
            raise
    seconds = time.perf_counter() - began
    latencies, pids = [latency for latency, _ in answers], [pid for _, pid in answers]
    return Load(tuple(latencies), requests - len(answers), seconds, frozenset(pids))


def outage(url: str) -> tuple[float, int]:
    """Crash a process of a server that is idle; return the seconds to its next answer, and who gave that.

    Raises RuntimeError when its next answer does not come.
    """
    checks.http(url)
    _crash(url, threading.Event())
    if (answer := _ask(url, threading.Event())) is None:
        raise RuntimeError(f"{url} did not answer after a crash")
    return answer


def _check(url: str, requests: int, clients: int, crash_at: int | None) -> None:
    checks.http(url)
    checks.whole(1, 100_000, requests=requests)
    checks.whole(1, 100, clients=clients)
    if crash_at is not None:
        checks.whole(0, requests, crash_at=crash_at)


def _send(
    crowd: ThreadPoolExecutor, url: str, requests: int, crash_at: int | None
) -> list[Future[_Answer | None]]:
    """Hand out all requests; those after the crash when it is on its way, so that they wait behind it."""
    first = requests if crash_at is None else crash_at
    ask = partial(_ask, url, threading.Event())
    tasks = [crowd.submit(ask) for _ in range(first)]
    if crash_at is not None:
        crowd.submit(_crash, url, on_its_way := threading.Event())
        on_its_way.wait()
    return tasks + [crowd.submit(ask) for _ in range(requests - first)]


def _ask(url: str, refused: threading.Event) -> _Answer | None:
    """Return the seconds to a whole answer and the process that gave it; None when it is lost.

    Windows needs two seconds to be refused, so all clients take the first one's word for it.
    """
    if refused.is_set():
        return None
    began = time.perf_counter()
    try:
        with _sent(url) as server:
            pid = int(server.getresponse().read())
    except ConnectionRefusedError:
        refused.set()
        return None
    except (OSError, HTTPException, ValueError):  # cut off, silent, or not what was asked for
        return None
    return time.perf_counter() - began, pid


def _crash(url: str, on_its_way: threading.Event) -> None:
    """Crash the process that takes this request, and wait until it is gone."""
    try:
        with suppress(OSError, HTTPException), _sent(urljoin(url, "/crash")) as server:
            on_its_way.set()
            server.getresponse()
    finally:
        on_its_way.set()


@contextmanager
def _sent(url: str) -> Iterator[HTTPConnection]:
    """Send a request on a connection of its own, as each of a crowd of strangers would."""
    host, page = checks.http(url)
    with closing(HTTPConnection(host, timeout=_ANSWER_TIMEOUT)) as server:
        server.request("GET", page)
        yield server
