"""The code behind the notebooks, a room for each thing it knows.

    machine           this computer: cores, memory, interpreter, limits, a health check, how many workers fit
    jobs              the work: functions that keep a core busy, and functions that wait
    compiled          the same sum in NumPy and in machine code, with the GIL and without
    traces            when each job ran, and where; the figures that follow from it
    ways              who does the work: serial, threads, processes, asyncio, interpreters
    freethreaded      the same in a Python without a GIL, where this computer has one
    measure           fair comparison: rounds taken in turns, medians, intervals
    overhead          what handing out a job costs, and what a serial part leaves of the speed-up
    oversubscription  more processes at work than there are cores
    worker_costs      the memory of an idle worker, the way of a message to it and back
    sharing           shared and separate memory, lost updates, and the lock that saves them
    decision          from what a job is like to who should do it
    claims            a sentence, its evidence, its verdict; the register of the statements
    verdicts          the verdicts that all chapters store, and where each was given
    charts            every picture
    accidents         crashes on purpose, each in a program of its own
    servers           real servers, for HTTP and for mails, and the clients that load them
    jobqueue          a task queue that workers anywhere can take from
    chaos             a run of the queue in which workers are killed at random and replaced
    wiretap           a relay that shows what passes on a line
    payloads          what a task carries: all that a file holds, or the path to it
    engine            the queue's functions on dask.distributed, an engine that others have built
    programs          other Python programs, started from here, that never outlive us
    show              a function's real source, as a cell's output

Nothing imports upward; ``tests/test_rooms.py`` holds the table of who may import whom.
"""
