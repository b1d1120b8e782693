"""The plain queues on the network: the names that a worker of the article knows, and how to reach them.

CPython's inside that is used here: ``multiprocessing.managers.listener_client``, where a manager looks up how
to listen and how to connect.
"""

import queue
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.managers import BaseManager, listener_client  # type: ignore[attr-defined]
from typing import Any

from helpers.jobqueue.errors import KeyRefused, NobodyThere
from helpers.jobqueue.listener import Listener, visit
from helpers.jobqueue.transport import look

SERIALIZER = "tuned"
"""The name, for a manager, of our way to listen and to connect."""

listener_client[SERIALIZER] = (Listener, visit)


class QueueManager(BaseManager):
    """A manager that knows the names of a master's two queues, and makes none.

    What it hands out are proxies, whose methods are called in the master.
    """

    get_task_queue: Callable[[], queue.Queue[Any]]
    get_result_queue: Callable[[], queue.Queue[Any]]


for name in ("get_task_queue", "get_result_queue"):
    QueueManager.register(name)


def connect(host: str, port: int, key: bytes) -> QueueManager:
    """Return a manager that is connected to the master at this address, or any other that has such queues.

    Raises NobodyThere when nothing answers, and KeyRefused for a wrong key.
    """
    look(host, port)
    manager = QueueManager((host, port), key, serializer=SERIALIZER)
    try:
        manager.connect()
    except AuthenticationError:
        raise KeyRefused(
            f"the master at {host}:{port} refused the key: give the worker the master's key, "
            "by --key-file or JOBQUEUE_KEY"
        ) from None
    except (OSError, EOFError) as error:
        raise NobodyThere(f"the master at {host}:{port} left while connecting ({error})") from None
    return manager
