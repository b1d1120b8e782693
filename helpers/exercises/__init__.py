"""What a learner writes and is told: predictions before an experiment, exercises with checks and hints.

``predictions`` keeps and counts what was picked. ``desk`` runs an answer and says what is right or wrong of
it, by ``probes`` that note who was where; ``leftovers`` ends what it has left behind.

Each chapter's exercises are in a module of their own, which is imported when one of them is asked for:

    of_01    locks, a future, a pool of processes
    of_02    chunks, a share of CPU time, the right pool, shared memory
    of_03    a limit on what is under way, a loop that goes on, a bounded queue
    of_04    queues for other programs, workers that use them
    of_05    tasks that are safe to run twice, heartbeats, a retry that gives up
    of_06    retries with growing pauses, mails that are refused
    of_07    the same on an engine
"""

from helpers.exercises.desk import check, hint
from helpers.exercises.predictions import predict, score, seen

__all__ = ["check", "hint", "predict", "score", "seen"]
