"""Start a scheduler and workers as programs on this computer, by Dask's own commands, and end them."""

import json
import logging
import os
import shutil
import tempfile
import time
import weakref
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import psutil
from distributed import Client
from distributed.exceptions import WorkerStartTimeoutError
from distributed.security import Security

from helpers import checks, programs
from helpers.engine.certificates import certify, options
from helpers.engine.leave import FOLDER_VARIABLE


def launch(workers: int = 2, *, tls: bool = False, allowed_failures: int = 3) -> "Cluster":
    """Start a scheduler and ``workers`` processes with one thread each, and wait until all are ready.

    A task that was in the hands of more than ``allowed_failures`` workers when they died is given up. With
    ``tls`` they and their clients need a certificate, which is made here. Raises ValueError for arguments
    that make no sense, RuntimeError with the program's own words when one does not start.
    """
    checks.whole(workers=workers)
    checks.whole(0, allowed_failures=allowed_failures)
    _hush()
    with ExitStack() as end:  # what is started is ended again, last to first, should anything go wrong here
        folder = tempfile.mkdtemp(prefix="engine-")
        end.callback(shutil.rmtree, folder, ignore_errors=True)
        security = certify(folder) if tls else None
        start = partial(_start, end, folder, allowed_failures, options(security))
        scheduler = start(_scheduler(tls))
        try:
            where = json.loads(scheduler.line("{"))
        except programs.ProgramFailed:
            scheduler.stop()  # so that it has an exit code
            raise RuntimeError(f"the scheduler did not start: it {_fate(scheduler)}") from None
        program = start(_workers(where["address"], workers))
        client = Client(where["address"], security=security, timeout=programs.READY)
        end.callback(client.close)
        _wait_for(workers, client, program)
        return Cluster(client, where["dashboard"], security, end.pop_all())


def _hush() -> None:
    """Keep Dask's remarks out of notebooks: what its user should know, it tells by exceptions as well."""
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _scheduler(tls: bool) -> list[str]:
    """Return the command that starts a scheduler at a free port, its dashboard at another."""
    return [
        "distributed.cli.dask_scheduler",
        f"--host={'tls' if tls else 'tcp'}://127.0.0.1",
        "--port=0",
        "--dashboard-address=127.0.0.1:0",
        "--preload=helpers.engine.leave",
    ]


def _workers(scheduler: str, count: int) -> list[str]:
    """Return the command that starts so many workers of this scheduler."""
    return [
        "distributed.cli.dask_worker",
        scheduler,
        "--host=127.0.0.1",
        f"--nworkers={count}",
        "--nthreads=1",
        "--memory-limit=0",  # else a worker pauses when the computer's memory, not just its own, is short
        "--dashboard-address=127.0.0.1:0",
        "--preload-nanny=helpers.engine.leave",
    ]


def _start(
    end: ExitStack, folder: str, allowed_failures: int, tls: list[str], command: list[str]
) -> programs.Program:
    env = {
        FOLDER_VARIABLE: folder,
        "DASK_TEMPORARY_DIRECTORY": folder,
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures),
        "DASK_LOGGING__DISTRIBUTED": "error",
    }
    program = programs.start(*command, *tls, env=env)
    end.callback(program.stop)
    return program


def _wait_for(workers: int, client: Client, program: programs.Program) -> None:
    """Wait until so many workers have come. Raises RuntimeError when their program ends or takes too long."""
    began, came = time.monotonic(), 0
    while program.exit_code is None and time.monotonic() < began + programs.READY:
        try:
            client.wait_for_workers(workers, timeout=0.2)
            return
        except WorkerStartTimeoutError as error:
            came = error.available_workers
    there = f"{came} of {workers} came within {time.monotonic() - began:.0f} seconds"
    raise RuntimeError(f"the workers did not start: {there}, and their program {_fate(program)}")


def _fate(program: programs.Program) -> str:
    """Return, for an error, what has become of a program and what it said."""
    code = program.exit_code
    state = "is still running" if code is None else f"ended with exit code {code}"
    return f"{state} and said {program.said() or 'nothing'}"


class Cluster:
    """A running scheduler and its workers: ``address``, ``dashboard`` (a URL), ``client``, ``security``.

    Use it in a ``with`` block, or end it by ``stop()``. It ends with this program in any case.
    """

    def __init__(self, client: Client, dashboard: str, security: Security | None, end: ExitStack) -> None:
        """Take over programs that are ready; for ``launch``."""
        self.client, self.dashboard, self.security = client, dashboard, security
        self.address: str = client.scheduler.address
        self._end = weakref.finalize(self, end.close)

    def __repr__(self) -> str:
        """Return where it is, for clients and for people."""
        return f"<Cluster at {self.address}, dashboard at {self.dashboard}>"

    def __enter__(self) -> Self:
        """Return the cluster itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the cluster."""
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The numbers of the worker processes that are alive and known to the scheduler."""
        return sorted(self.client.run(os.getpid, on_error="ignore").values())

    @property
    def certificates(self) -> list[Path]:
        """The files of the certificate and its private key; none without TLS."""
        found = self.security and [self.security.tls_client_cert, self.security.tls_client_key]
        return [Path(file) for file in found or ()]

    def kill_one(self) -> int:
        """Kill a worker as by ``kill -9`` and return its number; its nanny will start another."""
        worker = psutil.Process(self.pids[0])
        worker.kill()
        return worker.pid

    def stop(self) -> None:
        """End all; nothing happens when it has already ended."""
        self._end()
