"""What our scheduler and nannies load on top of Dask: a line when they are ready, and an end with us.

Dask calls ``dask_setup`` when one of them has started. Its commands know nothing of whoever typed them.
"""

import asyncio
import atexit
import json
import os
import shutil
from contextlib import suppress
from functools import partial

from distributed import Nanny, Scheduler

from helpers import programs

FOLDER_VARIABLE = "HELPERS_ENGINE_FOLDER"
_GRACE = 0.5  # seconds to leave in good order


def dask_setup(server: Scheduler | Nanny) -> None:
    """Say where the scheduler is, and have the server leave when our standard input closes."""
    atexit.register(_clear_up)
    if isinstance(server, Scheduler):
        port = server.services["dashboard"].port
        print(json.dumps({"address": server.address, "dashboard": f"http://127.0.0.1:{port}/status"}))
    programs.when_input_closes(partial(_leave, server))


def _leave(server: Scheduler | Nanny) -> None:
    """Close the server, which ends the program; a worker that has no time for it ends with its nanny."""
    closing = server.close() if isinstance(server, Scheduler) else server.close(timeout=_GRACE)
    with suppress(Exception):
        asyncio.run_coroutine_threadsafe(closing, server.loop.asyncio_loop).result(_GRACE)
    _clear_up()
    os._exit(0)


def _clear_up() -> None:
    """Remove the folder of the workers' files and certificates; the last to leave finds none in use."""
    shutil.rmtree(os.environ[FOLDER_VARIABLE], ignore_errors=True)
