"""The master: python task_master.py [HOST] [PORT] [SECONDS to wait for a result]"""

import multiprocessing
import os
import queue
import random
import signal
import socket
import sys
import threading
import time
from multiprocessing.managers import BaseManager

KEY = os.environ.get("QUEUE_KEY", "abc").encode()  # on a network, one that nobody can guess
tasks, results = queue.Queue(), queue.Queue()


def give_tasks():
    return tasks


def give_results():
    return results


def leave_with_master():  # called in the queues' process, which so ends even if we are killed
    master = multiprocessing.parent_process()
    threading.Thread(target=lambda: (master.join(), os._exit(0)), daemon=True).start()


def main(host="127.0.0.1", port=5000, seconds=30):
    socket.create_server((host, int(port))).close()  # a port that is taken is noticed here
    BaseManager.register("get_task_queue", give_tasks)
    BaseManager.register("get_result_queue", give_results)
    manager = BaseManager((host, int(port)), KEY)
    manager.start(leave_with_master)
    with manager:  # it ends with manager.shutdown()
        print(f"master: the queues are at {host}, port {manager.address[1]}", flush=True)
        task_queue, result_queue = manager.get_task_queue(), manager.get_result_queue()
        for n in random.sample(range(10_000), 10):
            print(f"master: task {n}", flush=True)
            task_queue.put(n)
        for _ in range(10):
            print(f"master: result {result_queue.get(timeout=float(seconds))}", flush=True)
        time.sleep(2)  # workers leave when there has been no task for a second


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():  # the queues' process, if just starting
            child.kill()
        sys.exit("master: stopped")
    except queue.Empty:
        sys.exit("master: a result is missing: no worker, or one was killed with a task in hand")
    except (OSError, EOFError, OverflowError, ValueError) as error:
        sys.exit(f"master: no queues at {' '.join(sys.argv[1:])}: {error}")
