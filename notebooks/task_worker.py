"""A worker: python task_worker.py [HOST] [PORT], both as the master says"""

import os
import queue
import signal
import sys
from multiprocessing import AuthenticationError
from multiprocessing.managers import BaseManager

KEY = os.environ.get("QUEUE_KEY", "abc").encode()  # the master's


def main(host="127.0.0.1", port=5000):
    BaseManager.register("get_task_queue")  # the names alone: a worker makes no queue
    BaseManager.register("get_result_queue")
    try:
        manager = BaseManager((host, int(port)), KEY)
        manager.connect()
    except AuthenticationError:
        sys.exit(f"worker: the master at {host}, port {port} refuses this key")
    except (OSError, EOFError, OverflowError, ValueError) as error:
        sys.exit(f"worker: no master at {host}, port {port}: {error}")
    print(f"worker: connected to {host}, port {port}", flush=True)
    task_queue, result_queue = manager.get_task_queue(), manager.get_result_queue()
    while True:
        try:
            n = task_queue.get(timeout=1)
        except queue.Empty:
            print("worker: no more tasks")
            break
        print(f"worker: {n} * {n}", flush=True)
        result_queue.put(f"{n} * {n} = {n * n}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("worker: stopped")
    except (OSError, EOFError):
        sys.exit("worker: the master has gone")
