"""A task queue that workers anywhere can take from, over ``multiprocessing.managers``.

client (a notebook)            master (a program)               workers (programs, here or elsewhere)

map("square", [3, 4]) --submit--> board: waiting  ---take----->  functions.square(3)
                                         lent     <--heartbeat-
        9, 16        <--collect--        results  <--take------  9, and the next task please

plain queues, as in the article: task queue ---get---> worker ---put---> result queue

board      tasks, leases and results: logic alone
shared     the board in the master, for many threads
master     the program that holds the board and the plain queues
lender     how a worker borrows tasks and gives signs of life; worker is its program
functions  what a worker can do, by name
reports    what came of a task, on its way home
clocks     how far one computer's clock is ahead of another's
line       one connection to the board; batch and client use it to give tasks and collect results
protocol   names, the key, how to reach each other, and the errors
launch     starts the programs from Python, and ends them
"""

from helpers.jobqueue.batch import Batch
from helpers.jobqueue.board import Board, Shelved, Stats
from helpers.jobqueue.client import Client, TaskFailed
from helpers.jobqueue.launch import Master, Workers, launch_master, launch_workers, try_worker
from helpers.jobqueue.protocol import KeyRefused, MasterGone, NobodyThere, QueueError, connect

__all__ = [
    "Batch", "Board", "Client", "KeyRefused", "Master", "MasterGone", "NobodyThere", "QueueError", "Shelved",
    "Stats", "TaskFailed", "Workers", "connect", "launch_master", "launch_workers", "try_worker",
]  # fmt: skip
