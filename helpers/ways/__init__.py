"""Who does the work: the same jobs go in, one after another, to threads, or to processes; a trace comes out.

    trace = ways.run([jobs.pi_sum] * 8, "processes", workers=2)

Two more ways have the same form: "asyncio", one thread in which jobs that wait take turns, and, from
Python 3.14 on, "interpreters", threads that have a Python interpreter with a GIL of its own each.

All ways are built on ``concurrent.futures``. The workers are started and ready before the first job is given,
so that a trace compares the work and not the start. On Linux each begins its first job on a core of its own,
if there are as many; then the system decides.

pools         starts the workers, hands out the jobs, collects the spans
loop          asyncio as an executor
interpreters  how interpreters wait for each other
cores         a core of its own for each worker that waits
"""

from helpers.ways.pools import ALL_WAYS, WAYS, Run, lacks, pool, run, switch_interval

__all__ = ["ALL_WAYS", "WAYS", "Run", "lacks", "pool", "run", "switch_interval"]
