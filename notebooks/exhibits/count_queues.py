"""Run another program, and count the queues that are made in its process."""

import queue
import runpy
import sys

made, make = [], queue.Queue.__init__


def counted(self, *arguments):
    made.append(self)
    make(self, *arguments)


queue.Queue.__init__ = counted
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(len(made), "queues made by", sys.argv[0])
