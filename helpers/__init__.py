"""The code behind the notebooks, in four ranks: a room imports those below it, and nothing imports upward.

Instruments, for any chapter

    machine        this computer: cores, memory, interpreter, limits, a health check, how many workers fit
    jobs           the work: what keeps a core busy, what waits, and what kills or crashes its process
    neighbours     what other programs do meanwhile, so that stored pictures come from an idle computer
    checks         what is wrong with an argument, in one line
    programs       other Python programs, started from here, that never outlive us
    children       child processes: their start method, and that they end with their parent
    traces         when each job ran, and where; the figures that follow from it
    clocked        the clocks round one job
    ways           who does the work: serial, threads, processes, asyncio, interpreters
    measure        fair comparison: rounds taken in turns, medians, intervals
    claims         a sentence, its evidence, its verdict; the register of the statements
    show           a function's or a program's real source as a cell's output; a value in one line
    charts         every picture: its docstring says which module draws which

Systems that chapters examine

    jobqueue       a task queue that workers anywhere can take from
        board          tasks, leases, retries, the shelf (a dead-letter queue): logic alone
        shared         the board in its master, for many clients and workers at once
        journal        the board on disk, for a master that is started again
        master         the program that serves the board
        worker         the program that runs tasks
        session        how a worker takes tasks, and sends its heartbeats
        client         a connection to a master, to give tasks and collect results
        batch          the tasks of one client on their way, and their results
        launch         starts masters and workers as programs, and ends them
    servers        real HTTP servers, a real mail server, and the clients that load them
    engine         the queue's functions on dask.distributed, an engine that others have built

Experiments, each for one chapter

    experiments
        accidents         01: a process or its master is killed, a master exits, a thread crashes or raises
        dead_workers      01: which pool of processes notices that a worker has died
        worker_costs      01b: a worker's start, memory and messages; idle ones by the thousand
        growing_jobs      01b: from which size of a job on a process is as quick as a thread
        thousands         01b: a thousand threads that all want a core at once
        webservers        01b: three kinds of web server under the same load, and what a crash costs each
        oversubscription  02: more processes at work than there are cores
        overhead          02: what handing out a job costs, and what a serial part leaves of the speed-up
        compiled          02b: the same sum in NumPy and in machine code, with the GIL and without
        freethreaded      02b: the same in a Python without a GIL, where this computer has one
        limits            03: the share of waiting, and the limit of a crowd that waits together
        webapp            03b: a small web application, and what its requests do
        decision          03b: from what a job is like to who should do it
        two_programs      04: the tutorial's two programs, run as in two terminals, and who listens
        ceiling           04b: how many tiny tasks one master hands out, the more workers ask
        payloads          04b: what a task carries: all that a file holds, or the path to it
        chaos             05: a run of the queue in which workers are killed at random and replaced
        wiretap           05b: a relay that shows what passes on a line
        verdicts          08: the verdicts that all chapters store, and where each was given
        pythons           08: what holds on which Python and system, by runs that are kept

Labs and exercises, for the learner's own hands

    exercises      predictions, kept and counted; answers, run and looked at for what they do
    labs           real threads and queues to drive
        steps             01: two real threads that run a line when they are told to
        step_lab          01: the buttons and the picture for them
        rounds            02: the same work by one worker and by several, round by round
        speed_lab         02: the buttons and the pictures for them
        crew              05: a real master, real workers, and a record of all that was seen
        queue_lab         05: the buttons and the picture for them
        frame             a lab's own thread, which acts and draws

``tests/test_rooms.py`` holds the table of who may import whom, module by module.
"""
