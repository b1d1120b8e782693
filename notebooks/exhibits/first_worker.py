import queue
import sys
from multiprocessing.managers import BaseManager

BaseManager.register("get_task_queue")
BaseManager.register("get_result_queue")
manager = BaseManager(address=(sys.argv[1], int(sys.argv[2])), authkey=b"abc")
manager.connect()
tasks, results = manager.get_task_queue(), manager.get_result_queue()
while True:
    try:
        n = tasks.get(timeout=1)
        print(f"worker: {n} * {n}", flush=True)
        results.put(f"{n} * {n} = {n * n}")
    except Queue.Empty:
        break
