import json
import multiprocessing


def count(counts, start):
    start.wait()  # until both are here
    for _ in range(300):
        counts["plain"] += 1


def count_with_lock(counts, start, lock):
    start.wait()
    for _ in range(300):
        with lock:
            counts["with lock"] += 1


def by_two(function, *arguments):
    pair = [multiprocessing.Process(target=function, args=arguments) for _ in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join()


if __name__ == "__main__":
    with multiprocessing.Manager() as manager:  # a SyncManager, started
        counts = manager.dict({"plain": 0, "with lock": 0})
        by_two(count, counts, manager.Barrier(2))
        by_two(count_with_lock, counts, manager.Barrier(2), manager.Lock())
        print(json.dumps(counts.copy()))
