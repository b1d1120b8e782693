"""A task queue that workers anywhere can take from, over ``multiprocessing.managers``.

client (a notebook)            master (a program)               workers (programs, here or elsewhere)

map("square", [3, 4]) --submit--> board: waiting  ---take----->  functions.square(3)
                                         lent     <--heartbeat-
        9, 16        <--collect--        results  <--take------  9, and the next task please

plain queues, as in the article: task queue ---get---> worker ---put---> result queue

board      tasks, leases and results: logic alone
shared     the board in the master, for many threads
journal    the board on disk, for a master that is started again
server     how the master answers calls of the board, and of the plain queues
master     the program that holds the board and the plain queues
session    how a worker takes tasks, and sends its heartbeats; worker is its program
functions  what a worker can do, by name
reports    what came of a task, on its way home
clocks     how far one computer's clock is ahead of another's
channel    connections to a board elsewhere
batch      tasks on their way, and their results; client gives tasks and collects results by batches
launch     starts the programs from Python, and ends them
protocol   the names of what a master serves, and how to reach it
transport  the sockets below
key        where the key is found, and what is dangerous with it
errors     what can go wrong that a user can mend
"""

from helpers.jobqueue.batch import Batch
from helpers.jobqueue.board import Board, Shelved, Stats
from helpers.jobqueue.client import Client, TaskFailed
from helpers.jobqueue.errors import KeyRefused, MasterGone, NobodyThere, QueueError
from helpers.jobqueue.launch import Master, Workers, launch_master, launch_workers, try_worker

__all__ = [
    "Batch", "Board", "Client", "KeyRefused", "Master", "MasterGone", "NobodyThere", "QueueError", "Shelved",
    "Stats", "TaskFailed", "Workers", "launch_master", "launch_workers", "try_worker",
]  # fmt: skip
