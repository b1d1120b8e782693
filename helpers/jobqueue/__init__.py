"""A task queue that workers anywhere can take from, over ``multiprocessing.managers``.

client (a notebook)            master (a program)             workers (programs, here or elsewhere)

map("square", [3, 4]) --put--> task queue   ----get---->  functions.square(3)
        9, 16         <--get-- result queue <---put-----  Result(..., 9)

protocol   names, tasks and results, the key, how to reach a master
master     the program that holds the queues
worker     the program that takes tasks and runs them
functions  what a worker can do, by name
launch     starts the programs from Python, and ends them
"""

from helpers.jobqueue.launch import Master, Workers, launch_master, launch_workers, try_worker
from helpers.jobqueue.protocol import KeyRefused, MasterGone, NobodyThere, QueueError, connect

__all__ = [
    "KeyRefused", "Master", "MasterGone", "NobodyThere", "QueueError", "Workers",
    "connect", "launch_master", "launch_workers", "try_worker",
]  # fmt: skip
