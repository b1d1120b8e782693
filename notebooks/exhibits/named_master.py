import queue
from multiprocessing.managers import BaseManager

tasks, results = queue.Queue(), queue.Queue()


def give_tasks():
    return tasks


def give_results():
    return results


BaseManager.register("get_task_queue", callable=give_tasks)
BaseManager.register("get_result_queue", callable=give_results)
manager = BaseManager(address=("127.0.0.1", 0), authkey=b"abc")
manager.start()
for n in range(10):
    manager.get_task_queue().put(n)
for _ in range(10):
    print(manager.get_result_queue().get(timeout=1))
manager.shutdown()
