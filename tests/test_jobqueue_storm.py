"""A storm: all that the queue is made of is killed, stopped and kept short at random, and loses nothing.

Every task that was accepted ends once, every error names its cause, and nothing is left running. Longer by
hand: HELPERS_STORM=600 for ten minutes, and as many kills of the master as it has seconds over thirty.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from queue_helpers import SOON, posix, until

from helpers import jobqueue, programs

SECONDS = float(os.environ.get("HELPERS_STORM", "6"))
KILLS = max(3, int(SECONDS / 30))
WORKERS, CLIENTS = 3, 2

ODD = """
import asyncio, os

class Speechless(Exception):
    def __str__(self): raise OSError("no words")

class TwoArguments(Exception):
    def __init__(self, one, two): super().__init__(one)

class Bomb:
    def __reduce__(self): return int, ("no number",)

def good(n): return n * n
def speechless(_): raise Speechless
def cancelled(_): raise asyncio.CancelledError
def interrupted(_): raise KeyboardInterrupt
def end_of_file(_): raise EOFError("mine")
def lost(_): raise ConnectionResetError("mine")
def leaves(_): raise SystemExit(5)
def mute(_): return TwoArguments("one", "two")
def reads(_): return "never"
"""
CAUSES = {
    "speechless": "Speechless (its message cannot be read)",
    "cancelled": "CancelledError",
    "interrupted": "KeyboardInterrupt",
    "end_of_file": "EOFError: mine",
    "lost": "ConnectionResetError: mine",
    "leaves": "SystemExit: 5",
    "mute": "TypeError",
    "reads": "ValueError: invalid literal",
}
"""What an odd function's task says; the argument of the last cannot be read."""

CLIENT = """
import json, random, sys, time
from pathlib import Path
import odd
from helpers import jobqueue, programs
from helpers.jobqueue.errors import QueueError

host, port, key, log, seed, end = sys.argv[1:]
log, random = Path(log), random.Random(int(seed))
programs.when_input_closes(lambda: programs.os._exit(0))

def note(*what):
    with log.open("a") as file:
        file.write(json.dumps(what) + "\\n")

def told(error):
    note("trouble", type(error).__name__, str(error))
    time.sleep(0.1)

def connected():
    while True:
        try:
            return jobqueue.Client(host, int(port), key)
        except QueueError as error:
            told(error)

def finish(batch):
    while True:
        try:
            for span in batch.as_completed():
                value = span.value if isinstance(span.value, int) else repr(span.value)
                note("ended", batch.name, span.job, value, span.error)
            return
        except QueueError as error:
            told(error)
            batch.resume(connected())

known = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
for name in [what[1] for what in known if what[0] == "accepted"]:
    while True:
        try:
            finish(connected().batch(name))
            break
        except ValueError:  # all its results were collected
            break
        except QueueError as error:
            told(error)
while time.time() < float(end):
    function = random.choice(["good"] * 6 + NAMES)
    arguments = [odd.Bomb()] if function == "reads" else range(random.choice([1, 20, 300]))
    try:
        batch = connected().submit(f"odd:{function}", arguments)
    except QueueError as error:
        told(error)
        continue
    note("accepted", batch.name, function, len(arguments))
    finish(batch)
print("done", flush=True)
""".replace("NAMES", repr(list(CAUSES)))


class Storm:
    """The programs, and what may happen to them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.journal, self.key = folder / "board.db", "a key for a storm"
        self.end = time.time() + SECONDS
        self.started: set[psutil.Process] = set()
        self.happened: Counter[str] = Counter()
        self.master = self.launch(0)
        self.port = self.master.port
        self.workers = jobqueue.launch_workers(self.master, WORKERS, prefetch=3, allow=["odd"], reconnect=60)
        self.clients = [self.client(number) for number in range(CLIENTS)]

    def launch(self, port: int) -> jobqueue.Master:
        master = jobqueue.launch_master(
            port=port, key=self.key, lease=0.5, attempts=4, retry_delay=0.02, journal=self.journal
        )
        self.started.add(psutil.Process(master.pid))
        return master

    def client(self, number: int) -> programs.Program:
        where = [self.master.host, str(self.master.port), self.key]
        seed = str(self.random.randrange(10**6))
        program = programs.start("client", *where, str(self.log(number)), seed, str(self.end))
        self.started.add(psutil.Process(program.pid))
        return program

    def log(self, number: int) -> Path:
        return self.folder / f"client {number}"

    def kill_master(self) -> None:
        self.master.kill()
        self.master = self.launch(self.port)

    def kill_worker(self) -> None:
        if self.workers.pids:
            self.workers.kill_one()

    def kill_client(self) -> None:
        number = self.random.randrange(CLIENTS)
        self.clients[number].kill()
        self.clients[number] = self.client(number)

    def stop_and_continue(self) -> None:
        pid = self.random.choice([self.master.pid, *self.workers.pids, *(c.pid for c in self.clients)])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.random.choice([0.1, 0.3, 1.0]))
            os.kill(pid, signal.SIGCONT)

    def keep_short(self) -> None:
        """Leave a program no file to open, and no room for a thread's stack."""
        pid = self.random.choice([self.master.pid, *self.workers.pids, *(c.pid for c in self.clients)])
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            limits = {
                psutil.RLIMIT_NOFILE: process.num_fds(),
                psutil.RLIMIT_AS: process.memory_info().vms + 20 * 2**20,
            }
            before = {limit: process.rlimit(limit) for limit in limits}
            for limit, most in limits.items():
                process.rlimit(limit, (most, before[limit][1]))
            time.sleep(0.3)
            for limit, values in before.items():
                process.rlimit(limit, values)

    def blow(self) -> None:
        deeds = [self.kill_master, self.kill_worker, self.kill_client, self.stop_and_continue]
        deeds += [self.keep_short] * (sys.platform == "linux")
        while time.time() < self.end:
            time.sleep(self.random.uniform(0, 0.4))
            deed = self.random.choice(deeds)
            self.happened[deed.__name__] += 1
            deed()
            self.started |= set(map(psutil.Process, self.workers.pids))
            self.workers.add(WORKERS - len(self.workers.pids)) if len(self.workers.pids) < WORKERS else None

    def calm(self) -> None:
        """Wait until the clients have all their results; one that has ended before is started again."""
        for number in range(CLIENTS):
            end = time.monotonic() + 60
            while "done" not in self.clients[number].said():
                assert time.monotonic() < end, self.clients[number].said()
                if self.clients[number].exit_code is not None:
                    self.clients[number] = self.client(number)
                time.sleep(0.05)

    def close(self) -> None:
        for client in self.clients:
            client.stop()
        self.workers.stop()
        self.master.stop()


@pytest.fixture
def storm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storm]:
    (tmp_path / "odd.py").write_text(ODD)
    (tmp_path / "client.py").write_text(CLIENT)
    monkeypatch.chdir(tmp_path)
    path = [str(tmp_path), str(Path(jobqueue.__file__).parents[2])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    storm = Storm(tmp_path, seed=random.randrange(10**6))
    try:
        yield storm
    finally:
        storm.close()


@posix
@pytest.mark.timeout(SECONDS + 150)
def test_a_storm_costs_no_task_and_every_error_names_its_cause(storm: Storm) -> None:
    storm.blow()
    storm.calm()
    told: Counter[str] = Counter()
    tasks = 0
    for number in range(CLIENTS):
        notes = [json.loads(line) for line in storm.log(number).read_text().splitlines()]
        accepted = {name: (function, count) for what, name, function, count in by(notes, "accepted")}
        ended: dict[tuple[str, int], set[str]] = {}
        for _, name, job, value, error in by(notes, "ended"):
            ended.setdefault((name, job), set()).add(json.dumps([value, error]))
            if name in accepted:
                assert right(accepted[name][0], job, value, error), (accepted[name], job, value, error)
        expected = {(name, job) for name, (_, count) in accepted.items() for job in range(count)}
        assert expected - ended.keys() == set(), "these were accepted and are lost"
        assert [ends for ends in ended.values() if len(ends) > 1] == [], "these have ended twice"
        told.update(f"{kind}: {text}" for _, kind, text in by(notes, "trouble"))
        tasks += len(expected)
    assert tasks > 0
    print(f"{tasks} tasks; {dict(storm.happened)}; {sum(told.values())} times told of trouble:")
    for text, count in Counter(general(text) for text in told.elements()).most_common():
        print(f"  {count} x {text}")
    assert until(lambda: storm.master.stats()[:2] == (0, 0)), storm.master.stats()
    assert psutil.Process(storm.master.pid).memory_info().rss < 120 * 2**20
    storm.close()
    assert until(lambda: not any(process.is_running() for process in storm.started)), "left running"


def by(notes: list[list[object]], kind: str) -> list[list[object]]:
    return [note for note in notes if note[0] == kind]


def right(function: str, job: int, value: object, error: str | None) -> bool:
    """Tell whether a task has come to its right end, or to one by which its workers died each time."""
    if error and all("sent no heartbeat" in part for part in error.split("; ")):
        return True
    return value == job * job and not error if function == "good" else CAUSES[function] in str(error)


def general(text: str) -> str:
    return "".join("0" if sign.isdigit() else sign for sign in text)


@posix
@pytest.mark.timeout(SECONDS + 150)
def test_a_master_that_is_killed_again_and_again_costs_a_batch_nothing(tmp_path: Path) -> None:
    tasks, chance = 500 * KILLS, random.Random()
    launch: dict[str, Any] = {"key": "a key for a storm", "journal": tmp_path / "board.db"}
    master = jobqueue.launch_master(**launch)
    batch = master.submit("pi_sum", [2000] * tasks)
    found: list[int] = []
    with jobqueue.launch_workers(master, 2, prefetch=20, reconnect=SOON) as workers:
        for kill in range(KILLS + 1):
            pause = chance.randrange(tasks // (KILLS + 2)) if kill < KILLS else tasks
            with contextlib.suppress(jobqueue.MasterGone):
                for span in batch.as_completed(SOON * 5):
                    found.append(span.job)
                    if not (pause := pause - 1):
                        break
            if kill < KILLS:
                time.sleep(chance.uniform(0, 0.02))
                master.kill()
                master = jobqueue.launch_master(port=master.port, **launch)
                batch.resume(master)
        assert workers.exit_codes == [None, None]
    assert Counter(found) == Counter(range(tasks)), "each once, and none lost"
    assert batch.wait().errors == {}
    master.stop()
