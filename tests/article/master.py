"""A master as in the article: two queues on the network, ten random numbers out, ten texts back.

    python master.py [port] [start method]

Two things differ from what the article's readers typed. The functions handed to ``register`` have names, and
the program has a ``__main__`` guard: under spawn and forkserver the manager's process is sent the functions
by name and imports this file to find them, so a lambda fails and an unguarded program starts itself again.
"""

import multiprocessing
import queue
import random
import sys
from multiprocessing.managers import BaseManager

task_queue = queue.Queue()
result_queue = queue.Queue()


class QueueManager(BaseManager):
    pass


def return_task_queue():
    return task_queue


def return_result_queue():
    return result_queue


def main(port=5000, start_method=None):
    multiprocessing.set_start_method(start_method)
    QueueManager.register("get_task_queue", callable=return_task_queue)
    QueueManager.register("get_result_queue", callable=return_result_queue)
    manager = QueueManager(address=("127.0.0.1", port), authkey=b"abc")
    manager.start()
    print(f"port {manager.address[1]}", flush=True)
    tasks = manager.get_task_queue()
    results = manager.get_result_queue()
    for _ in range(10):
        n = random.randint(0, 10000)
        print(f"task {n}", flush=True)
        tasks.put(n)
    for _ in range(10):
        print(f"result {results.get(timeout=30)}", flush=True)
    manager.shutdown()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
