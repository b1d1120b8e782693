"""A thousand threads that all want a core at once, and the same work by as many threads as there are cores.

The work is machine code that releases the GIL, so that nothing but the system's scheduler decides who runs.
What is compared is the CPU time of the whole program for the same work: turns cost CPU time, and a busy
neighbour, who takes cores away from a few threads sooner than from a thousand, does not change it much.

The measurement is a program of its own, ``python -m helpers.experiments.thousands THREADS SECONDS``.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from helpers import checks, machine, measure, programs

_WORK = 0.11  # seconds of work for each core in a round, about
_ERROR = 0.02  # of the comparison: a smaller one takes more rounds, and each takes a while
_STACK = 2**20  # bytes that a thread may need at the most, to see whether so many fit


@dataclass(frozen=True)
class Crowding:
    """The same work by few threads and by many: CPU seconds a round, and the comparison of both.

    ``threads`` are the numbers of threads, and ``cpu`` the CPU seconds of each round, few first.
    ``at_once`` is the largest number of threads that had work to do at one moment. ``switches`` are the
    involuntary context switches of each round; 0 on Windows, which does not count them.
    """

    threads: tuple[int, int]
    cpu: tuple[tuple[float, ...], tuple[float, ...]]
    at_once: int
    switches: tuple[tuple[int, ...], tuple[int, ...]]
    compared: measure.Comparison

    @property
    def cpu_ms(self) -> dict[str, list[float]]:
        """The milliseconds of CPU time of each round, by the number of threads in words, for a picture."""
        rows = zip(self.threads, self.cpu, strict=True)
        return {f"{number} threads": [1000 * seconds for seconds in cpu] for number, cpu in rows}

    @property
    def is_cheap(self) -> bool | None:
        """Whether many threads need less than half as much CPU time again; None: not decided."""
        return None if self.compared.above is None else not self.compared.above


def lacks(threads: int = 1000) -> str:
    """Say in a few words why this cannot be measured here; "" when it can. For the ``needs`` of a claim."""
    from helpers.experiments import compiled  # only here, as it takes a while to import

    if reason := compiled.lacks():
        return reason
    room = machine.capacity("threads", _STACK).number
    return "" if room > threads else f"needs room for {threads} threads"


def crowding(threads: int = 1000, seconds: float = 3.0) -> Crowding:
    """Do the same work with as many threads as cores and with ``threads``, in turns, and compare CPU times.

    The comparison is of the CPU time of many with that of few, above or below 1.5 times as much. Raises
    ValueError for arguments that make no sense, RuntimeError when the program fails.
    """
    checks.whole(1, 10_000, threads=threads)
    checks.seconds(0, 60, seconds=seconds)
    found = programs.ask("helpers.experiments.thousands", str(threads), str(seconds))
    few, many = found["cpu"]
    ratios = tuple(a / b for a, b in zip(many, few, strict=True))
    return Crowding(
        (machine.cores(), threads),
        (tuple(few), tuple(many)),
        found["at_once"],
        (tuple(found["switches"][0]), tuple(found["switches"][1])),
        measure.Comparison(ratios, 1.5, _ERROR, seconds),
    )


# --- In the program ----------------------------------------------------------------------------------


class _Crowd:
    """Threads that wait, and all do their share when they are told to; they end with the program."""

    def __init__(self, threads: int, share: Callable[[], object]) -> None:
        self.share, self.left = share, 0
        self.gates = [threading.Lock() for _ in range(threads)]
        self.count, self.all_done = threading.Lock(), threading.Event()
        self.cpu: list[float] = []
        self.switches: list[int] = []
        self.at_once = 0
        for gate in self.gates:
            gate.acquire()
            threading.Thread(target=self._work, args=(gate,), daemon=True).start()

    def _work(self, gate: threading.Lock) -> None:
        while True:
            gate.acquire()
            self.share()
            with self.count:
                self.left -= 1
                if not self.left:
                    self.all_done.set()

    def run(self) -> float:
        """Let all do their share; return the CPU seconds that the whole program needed for it."""
        self.left = len(self.gates)
        self.all_done.clear()
        cpu, switches = time.process_time(), _switches()
        for gate in self.gates:
            gate.release()
        self.at_once = max(self.at_once, self.left)
        self.all_done.wait()
        self.cpu.append(time.process_time() - cpu)
        self.switches.append(_switches() - switches)
        return self.cpu[-1]


def _crowding(threads: str, seconds: str) -> dict[str, Any]:
    from helpers.experiments.compiled import pi_sum_in_one_piece as add

    sys.setswitchinterval(1)  # a thread that waits for the GIL need not ask for it every 0.005 s
    terms = int(5_000_000 * _WORK * machine.cores() / min(_time_sum(add, 5_000_000) for _ in range(3)))
    few, many = (_Crowd(n, partial(add, terms // n)) for n in (machine.cores(), int(threads)))
    measure.compare(many.run, few.run, 1.5, seconds=float(seconds), error=_ERROR)
    crowds = (few, many)
    return {
        "cpu": [crowd.cpu[1:] for crowd in crowds],  # without the warm-up
        "at_once": many.at_once,
        "switches": [crowd.switches[1:] for crowd in crowds],
    }


def _time_sum(add: Callable[[int], object], terms: int) -> float:
    began = time.thread_time()
    add(terms)
    return time.thread_time() - began


def _switches() -> int:
    """Return how often the system has taken a core from one of our threads; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


if __name__ == "__main__":
    programs.answer(_crowding, *sys.argv[1:])
