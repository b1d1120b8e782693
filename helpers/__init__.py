"""The code behind the notebooks, a room for each thing it knows.

    machine    this computer: cores, memory, interpreter, limits, and a health check
    jobs       the work: functions that keep a core busy, and functions that wait
    traces     when each job ran, and where; the figures that follow from it
    ways       who does the work: serial, threads, processes; jobs in, a trace out
    measure    fair comparison: rounds, medians, ranges
    claims     a sentence, its evidence, its verdict
    charts     every picture
    accidents  crashes on purpose, each in a process of its own
    servers    a real HTTP server to wait for
    jobqueue   a task queue that workers anywhere can take from
    show       a function's real source, as a cell's output

Nothing imports upward; ``tests/test_rooms.py`` holds the table of who may import whom.
"""
