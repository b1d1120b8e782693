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
listener   how a master listens, and how a manager visits it
transport  the sockets below, the proof of the key, and messages
key        where the key is found, and what is dangerous with it
errors     what can go wrong that a user can mend

Times, in seconds, and what each bounds

what                default     where it is set            what it bounds
lease               5           master --lease             how long a worker keeps tasks without a heartbeat
heartbeat interval  lease / 4,  follows the lease          how often a worker sends one
                    0.5 at most
attempts            3           master --attempts          how often a task is tried; then it is a dead letter
retry delay         0.1         master --retry-delay       the pause after a first error; it doubles each time
client time-out     lease       follows the lease          how long the tasks of a client are kept that has no
                                                           connection any more; with a journal, for ever
timeout             none        map, run, submit, wait,    the whole call, whatever it waits for
                                as_completed, in_order
reconnect           0           worker --reconnect         how long a worker waits for a lost master
CONNECT_TIMEOUT     5           transport                  how long connecting and proving the key may take
SILENCE_TIMEOUT     10          transport                  how long the other computer may be silent, by TCP's
                                                           own probes, before the connection is lost; and how
                                                           long a visitor may take to prove the key
GIVE_BACK_TIMEOUT   0.5         session                    how long a worker that must leave tries to give its
                                                           tasks back; if it fails, their lease runs out
READY, GRACE        30, 1.5     programs                   how long a program may take to start, and to leave

So the tasks of a client that was killed are gone a lease later, of one whose cable was cut, a lease after
SILENCE_TIMEOUT. A master that was stopped and goes on adds the time in which it heard nothing to all leases.
"""

from helpers.jobqueue.batch import Batch
from helpers.jobqueue.board import Board, Hand, Shelved, Stats, View
from helpers.jobqueue.client import Client, TaskFailed
from helpers.jobqueue.errors import KeyRefused, MasterGone, NobodyThere, QueueError
from helpers.jobqueue.launch import Master, Workers, launch_master, launch_workers, try_worker

__all__ = [
    "Batch", "Board", "Client", "Hand", "KeyRefused", "Master", "MasterGone", "NobodyThere", "QueueError",
    "Shelved", "Stats", "TaskFailed", "View", "Workers", "launch_master", "launch_workers", "try_worker",
]  # fmt: skip
