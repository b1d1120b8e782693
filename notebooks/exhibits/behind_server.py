import os
import queue
import threading
from multiprocessing.managers import BaseManager

tasks = queue.Queue()


def give_tasks():
    return tasks


if __name__ == "__main__":
    BaseManager.register("get_task_queue", give_tasks)
    BaseManager.register("get_pid", os.getpid)
    server = BaseManager(("127.0.0.1", 0), b"abc").get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    manager = BaseManager(server.address, b"abc")
    manager.connect()
    tasks.put(3)
    here = str(manager.get_pid()) == str(os.getpid())
    print(f"tasks seen: {manager.get_task_queue().qsize()}, served by this process: {here}")
