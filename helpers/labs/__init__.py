"""The interactive parts: real threads, processes and queues, driven by the learner.

    labs.step_by_step()     01: you are the scheduler of two threads, a lock, and two locks
    labs.speed_lab()        02: who works, how many and on what, and speed-ups that settle
    labs.queue_lab()        04, 05: tasks, workers and a master that you kill, pause and start again

A call shows a box of widgets and returns at once; the kernel stays free. The same call once more ends the lab
before and starts afresh, and whatever ends the kernel ends a lab's processes. The models, ``steps``,
``rounds`` and ``crew``, have no widgets; ``step_lab``, ``speed_lab`` and ``queue_lab`` have a function from
what is seen to HTML, and the buttons. ``frame`` holds them together.
"""

from helpers.labs.queue_lab import queue_lab
from helpers.labs.speed_lab import speed_lab
from helpers.labs.step_lab import step_by_step

__all__ = ["queue_lab", "speed_lab", "step_by_step"]
