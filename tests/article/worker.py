"""A worker as in the article: it takes numbers from a master, squares them, and puts texts back.

    python worker.py [port]

It registers the names alone and makes no queue: the queues live in the master. The ``__main__`` guard and
``queue.Empty`` (the module's name is in small letters in Python 3) are what the article's text lacks.
"""

import queue
import sys
from multiprocessing.managers import BaseManager


class QueueManager(BaseManager):
    pass


QueueManager.register("get_task_queue")
QueueManager.register("get_result_queue")


def main(port=5000):
    manager = QueueManager(address=("127.0.0.1", port), authkey=b"abc")
    manager.connect()
    tasks = manager.get_task_queue()
    results = manager.get_result_queue()
    while True:
        try:
            n = tasks.get(timeout=1)
        except queue.Empty:
            print("no task left")
            return
        print(f"run task {n} * {n}", flush=True)
        results.put(f"{n} * {n} = {n * n}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
