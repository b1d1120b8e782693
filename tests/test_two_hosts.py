"""Two hosts with addresses, names and clocks of their own, and a cable to pull: the commands on them.

A host is a network namespace of Linux, so this needs root's rights. All stories begin at once, as most of
their time goes in waiting; a test takes what became of one.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from helpers.engine import __main__ as engine_program
from helpers.engine import certify
from helpers.jobqueue.transport import SILENCE_TIMEOUT
from helpers.traces import Span, Trace, Worker

NEAR, FAR = "10.0.0.1", "10.0.0.2"  # those in the docstring of the engine's program
HOSTS = {"near": NEAR, "far": FAR}
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
AHEAD = 5000  # seconds that the clock on the far host is ahead where it has one of its own
OUT = 5  # seconds that a cable is out
TASKS, TERMS = 16, 1_000_000  # about a tenth of a second each

# A task that needs no core, for stories in which a cable is out: long enough for a very busy computer.
NAP, NAPS = ("naps:nap", 5), "import time\ndef nap(tenths): time.sleep(tenths / 10); return tenths"

# The pipe to its input closes when we end, however that is. It kills what runs on the hosts and removes them.
GUARD = 'cat; for host; do kill -9 $(ip netns pids "$host"); ip netns delete "$host"; done 2>/dev/null'

CLIENT = """
import dataclasses, json, sys
from pathlib import Path
from helpers.jobqueue import Client

host, port, key_file, function, *numbers = sys.argv[1:]
client = Client(host, int(port), Path(key_file).read_bytes())
batch = client.submit(function, map(int, numbers))
print("given", flush=True)
for span in batch.as_completed(timeout=200):
    print(json.dumps(dataclasses.asdict(span)), flush=True)
print(json.dumps(client.stats()._asdict()))
"""

COMMANDS = [line for line in engine_program.__doc__.splitlines() if line.startswith("    python -m ")]
REPAIR = "helpers.engine.tls_repair"

numbers = count()


class Network:
    """A near and a far host, each with a cable to one switch."""

    def __init__(self, folder):
        """Build it; raise CalledProcessError where that is not allowed."""
        run = f"test-{os.getpid()}-{next(numbers)}"
        self.switch = f"{run}-switch"
        self.spaces = {host: f"{run}-{host}" for host in HOSTS}
        self.folder, self.started, self.clocks = folder, [], {}
        self.path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        self.key_file = folder / "key"
        self.key_file.write_text(secrets.token_hex(32))
        (folder / "naps.py").write_text(NAPS)
        guard = ["sh", "-c", GUARD, "sh", self.switch, *self.spaces.values()]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        for host, space in self.spaces.items():
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
            ip(
                "-n",
                space,
                "link",
                "add",
                "cable",
                "type",
                "veth",
                "peer",
                "name",
                host,
                "netns",
                self.switch,
            )
            ip("-n", space, "address", "add", f"{HOSTS[host]}/24", "dev", "cable")
            ip("-n", space, "link", "set", "cable", "up")
            ip("-n", self.switch, "link", "set", host, "master", "bridge", "up")

    def close(self):
        """Kill all that still runs here, and remove the hosts."""
        self._guard.communicate()
        for program in self.started:
            with program:
                program.kill()

    def pull_cable(self):
        """Take the far host's cable out of the switch."""
        ip("-n", self.switch, "link", "set", "far", "down")

    def plug_in(self):
        """Put it in again."""
        ip("-n", self.switch, "link", "set", "far", "up")

    def start(self, host, *command):
        """Start a Python program on a host, which has a name of its own, and the clock that `clocks` says."""
        ahead = self.clocks.get(host)
        own = ["--uts", *(["--time", "--monotonic", str(ahead)] if ahead else [])]
        named = ["unshare", *own, "sh", "-c", 'hostname "$0"; exec "$@"', host]
        program = subprocess.Popen(
            ["ip", "netns", "exec", self.spaces[host], *named, sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "TMPDIR": str(self.folder), "PYTHONPATH": self.path},
        )
        self.started.append(program)
        return program

    def master(self, **options):
        """Start a master on the near host; return it and where it is."""
        more = [f"--{name}={value}" for name, value in options.items()]
        where = ["--host", NEAR, "--key-file", self.key_file]
        program = self.start("near", "-m", "helpers.jobqueue.master", *where, *more)
        said = json.loads(program.stdout.readline())
        assert (said["host"], said["pid"]) == (NEAR, program.pid)
        return program, [NEAR, str(said["port"])]

    def worker(self, host, where):
        """Start a worker on a host and wait until it is connected."""
        address = ["--host", where[0], "--port", where[1], "--key-file", self.key_file]
        program = self.start(host, "-m", "helpers.jobqueue.worker", *address, "--allow=naps")
        assert program.stdout.readline() == f"connected to {':'.join(where)}\n", program.stderr.read()
        return program

    def client(self, host, where, tasks=TASKS, task=("pi_sum", TERMS)):
        """Start a client on a host and wait until it has given its tasks to the master."""
        quiet = ["-W", "ignore:no worker is connected"]  # yet
        function, number = task
        arguments = [*where, self.key_file, function, *[str(number)] * tasks]
        program = self.start(host, *quiet, "-c", CLIENT, *arguments)
        assert program.stdout.readline() == "given\n", program.stderr.read()
        return program


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def one_span(client):
    """Wait for a client's next result."""
    said = client.stdout.readline()
    assert said, client.stderr.read()
    line = json.loads(said)
    return Span(**{**line, "worker": Worker(**line["worker"]), "samples": ()})


def all_spans(client, tasks=TASKS, first=()):
    """Wait for all results of a client, each once; return their trace and the board's figures."""
    spans = [*first, *(one_span(client) for _ in range(tasks - len(first)))]
    assert sorted(span.job for span in spans) == list(range(tasks))
    # Not communicate(): it would miss what came together with the last line read.
    stats, errors = client.stdout.read(), client.stderr.read()
    assert (client.wait(), errors) == (0, "")
    trace = Trace("processes", tuple(spans), tuple({span.worker for span in spans}), 0)
    assert not trace.errors
    assert len(set(trace.values)) == 1
    return trace, json.loads(stats)


def workers_of(trace):
    return {(worker.host, worker.pid) for worker in trace.workers}


def wait_until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


# --- The stories, each with a network of its own ---


def tasks_travel(network):
    master, where = network.master()
    far, near = network.worker("far", where), network.worker("near", where)
    trace, stats = all_spans(network.client("near", where))
    assert workers_of(trace) == {("far", far.pid), ("", near.pid)}
    assert trace.most_at_once == 2
    assert stats["workers"].keys() == {f"far:{far.pid}", f"near:{near.pid}"}
    assert stats["done"] == TASKS
    trace, _ = all_spans(network.client("far", where))
    assert workers_of(trace) == {("", far.pid), ("near", near.pid)}
    master.terminate()
    _, errors = master.communicate()
    assert master.returncode == 0
    assert errors.startswith(f"master: warning: {NEAR} is an address that other computers reach.")
    assert "SSH tunnel" in errors
    assert len(errors.splitlines()) == 1


def clocks_differ(network):
    network.clocks["far"] = AHEAD
    now = network.start("far", "-c", "import time; print(time.perf_counter())").communicate()[0]
    if not now or float(now) < time.perf_counter() + AHEAD - 1:
        pytest.skip("this system gives a program no clock of its own (time namespaces)")
    _, where = network.master()
    far, near = network.worker("far", where), network.worker("near", where)
    for host, ahead in {"near": 0, "far": AHEAD}.items():
        began = time.perf_counter() + ahead
        trace, _ = all_spans(network.client(host, where))
        assert trace.pids == {far.pid, near.pid}
        assert began < trace.start < trace.start + trace.wall < time.perf_counter() + ahead
        # On a clock that is not the client's, a task would begin and end when it was given or came back.
        assert all(span.seconds > 0.9 * span.cpu > 0 for span in trace.spans)
        assert trace.most_at_once == 2


def cable_out_for_less_than_a_lease(network):
    """Everybody but the master is cut off, and waits."""
    _, where = network.master(lease=6 * OUT)
    client = network.client("far", where, task=NAP)
    far = [network.worker("far", where) for _ in range(2)]
    first = [one_span(client)]
    network.pull_cable()
    time.sleep(OUT)
    network.plug_in()
    trace, stats = all_spans(client, first=first)
    assert workers_of(trace) == {("", worker.pid) for worker in far}
    assert trace.wall > OUT
    assert (stats["done"], stats["retried"], stats["late"]) == (TASKS, 0, 0)
    assert all(worker.poll() is None for worker in far)


def cable_out_for_longer_than_a_lease(network):
    """What the far worker held is lent to the near one; with the cable in again, the far one goes on."""
    _, where = network.master(lease=OUT / 3)
    near = network.worker("near", where)
    near.send_signal(signal.SIGSTOP)  # until the far one has work in its hands
    client = network.client("near", where, task=NAP)
    far = network.worker("far", where)
    first = [one_span(client)]
    network.pull_cable()
    near.send_signal(signal.SIGCONT)
    time.sleep(OUT)
    network.plug_in()
    trace, stats = all_spans(client, first=first)
    assert workers_of(trace) == {("far", far.pid), ("", near.pid)}
    assert stats["done"] == TASKS
    assert stats["retried"] >= 1
    near.terminate()
    assert near.wait() == 0
    trace, stats = all_spans(network.client("near", where))
    assert workers_of(trace) == {("far", far.pid)}
    assert stats["done"] == 2 * TASKS
    assert stats["late"] <= stats["retried"]


def cable_out_for_good(network):
    """Who is cut off finds out and leaves; the near worker does the rest."""
    master, where = network.master(lease=OUT / 3)
    before = psutil.Process(master.pid).num_fds()
    client, lost = network.client("near", where, task=NAP), network.client("far", where, tasks=1, task=NAP)
    far = [network.worker("far", where) for _ in range(2)]
    first = [one_span(client)]
    network.pull_cable()
    pulled = time.monotonic()
    near = network.worker("near", where)
    trace, stats = all_spans(client, first=first)
    assert workers_of(trace) - {("far", worker.pid) for worker in far} == {("", near.pid)}
    assert stats["retried"] >= 1
    assert stats["late"] == 0
    for worker in far:
        said, errors = worker.communicate(timeout=200)
        assert worker.returncode == 5, said
        assert errors == "worker: the master went away: start it again, then this worker\n"
    assert time.monotonic() - pulled > SILENCE_TIMEOUT / 2  # so a cable that is out for a moment harms nobody
    _, errors = lost.communicate(timeout=200)
    assert lost.returncode == 1
    assert "MasterGone" in errors.splitlines()[-1]
    near.terminate()
    near.wait()
    # The master too closes its side of all connections through that cable.
    assert wait_until(lambda: psutil.Process(master.pid).num_fds() <= before)


def the_tutorials_two_programs(network):
    """A master of the near host, and a worker of the far one: ten tasks there, ten results back."""
    master = network.start("near", NOTEBOOKS / "task_master.py", NEAR, "50000", "100")
    assert master.stdout.readline() == f"master: the queues are at {NEAR}, port 50000\n", master.stderr.read()
    worker = network.start("far", NOTEBOOKS / "task_worker.py", NEAR, "50000")
    for program, last in ((worker, "worker: no more tasks"), (master, "master: result")):
        said, errors = program.communicate(timeout=200)
        assert (program.returncode, errors) == (0, "")
        assert said.splitlines()[-1].startswith(last)
        assert len(said.splitlines()) >= 10


def engine(network):
    """The commands of the docstring, word for word."""
    all_done_by_far(network, [line.split() for line in COMMANDS])


def engine_with_tls(network):
    """The same with a certificate, as it says below them."""
    certify(network.folder)
    certificate, key = (network.folder / name for name in ("cert.pem", "key.pem"))
    tls = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    tls += ["--preload", REPAIR]
    more = [tls, [*tls, "--preload-nanny", REPAIR], ["--certificate", network.folder]]
    commands = [line.replace("tcp://", "tls://").split() for line in COMMANDS]
    all_done_by_far(network, [command + options for command, options in zip(commands, more, strict=True)])


def all_done_by_far(network, commands):
    """Start a scheduler on the near host and workers on the far one; let a client there and here use them."""
    scheduler, workers, client = (command[1:] for command in commands)
    network.start("near", *scheduler)
    network.start("far", *workers)
    for host in HOSTS:
        program = network.start(host, *client, "--timeout", "200")  # for a very busy computer
        said, errors = program.communicate()
        assert program.returncode == 0, errors
        answer = json.loads(said)
        assert answer["values"] == [1, 4, 9]
        assert {urlsplit(worker).hostname for worker in answer["workers"]} == {FAR}


STORIES = [
    tasks_travel,
    clocks_differ,
    cable_out_for_less_than_a_lease,
    cable_out_for_longer_than_a_lease,
    cable_out_for_good,
    the_tutorials_two_programs,
    engine,
    engine_with_tls,
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Begin all stories."""
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("two hosts on one computer are network namespaces, which need Linux and root's rights")
    if lacking := [name for name in ("ip", "unshare", "hostname") if not shutil.which(name)]:
        pytest.skip(f"two hosts on one computer need {', '.join(lacking)} (Debian: iproute2, util-linux)")
    with ThreadPoolExecutor(len(STORIES)) as pool, ExitStack() as end:
        told = {}
        for story in STORIES:
            try:
                network = Network(tmp_path_factory.mktemp(story.__name__))
            except subprocess.CalledProcessError as error:
                pytest.skip(f"network namespaces are not permitted here: {error.stderr.strip()}")
            end.callback(network.close)
            told[story] = pool.submit(story, network)
        yield told


@pytest.mark.timeout(300)  # on a very busy computer
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_across_two_hosts(told, story):
    told[story].result()
