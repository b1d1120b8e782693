"""A real scheduler and real workers of Dask: what they compute, who is let in, and how they end."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from distributed.security import Security
from tornado.iostream import SSLIOStream

from helpers import engine, measure, programs
from helpers.engine import __main__ as client_program
from helpers.engine import certificates, tls_repair
from helpers.engine import cluster as cluster_module
from helpers.jobqueue import functions

POSIX = os.name == "posix"
LONG = 1_000_000  # terms, about a tenth of a second
square, pi_sum = functions.find("square"), functions.find("pi_sum")


@pytest.fixture(scope="module")
def cluster():
    with engine.launch(workers=2, allowed_failures=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def locked():
    with engine.launch(workers=1, tls=True) as cluster:
        yield cluster


def family():
    """Return all processes that came from this one."""
    return psutil.Process().children(recursive=True)


def alive(processes):
    """Return those that have not ended; one that nobody has asked for its exit code, a zombie, has."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until(true, seconds):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


# --- What it computes ---


def two_at_once(trace):
    return trace.most_at_once == 2


def test_the_functions_of_the_queue_run_unchanged(cluster):
    assert cluster.client.gather(cluster.client.map(square, range(20))) == [n * n for n in range(20)]


def test_a_run_is_a_trace_of_all_tasks_in_order(cluster):
    """It is asked again when no two tasks overlap, as was seen twice on a busy computer."""
    tasks = [LONG, 1000, LONG, LONG, LONG, LONG]
    trace = measure.again(partial(engine.run, cluster.client, "pi_sum", tasks), two_at_once, seconds=10)
    assert trace.values == list(map(pi_sum, tasks))
    assert [span.job for span in trace.spans] == list(range(6))
    assert trace.pids == set(cluster.pids)
    assert two_at_once(trace)
    assert not trace.errors


def test_equal_tasks_are_all_done(cluster):
    trace = engine.run(cluster.client, "square", [3] * 10)
    assert trace.values == [9] * 10
    assert len({span.started for span in trace.spans}) == 10


def test_a_task_that_fails_keeps_its_error(cluster):
    trace = engine.run(cluster.client, "pi_sum", [1000, 0])
    assert trace.values[0] == pi_sum(1000)
    assert "ValueError: terms: expected" in trace.errors[1]


def test_a_run_without_tasks_or_with_unknown_ones(cluster):
    with pytest.raises(ValueError, match="at least one job"):
        engine.run(cluster.client, "square", [])
    with pytest.raises(ValueError, match="function: expected one of square"):
        engine.run(cluster.client, "cube", [1])


def test_what_has_come_home_is_forgotten(cluster):
    """Else it would be computed again when its worker dies, which keeps it."""

    def known():
        return cluster.client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.tasks))

    before = known()
    spans = engine.spans(cluster.client, "square", range(5))
    assert {next(spans).value for _ in range(3)} < {0, 1, 4, 9, 16}
    assert wait_until(lambda: len(known() - before) == 2, 10)
    assert len(list(spans)) == 2


def test_a_run_that_takes_too_long(cluster):
    with pytest.raises(TimeoutError):
        engine.run(cluster.client, "pi_sum", [10_000_000], timeout=0.1)


def test_the_dashboard_is_a_page(cluster):
    assert cluster.dashboard.startswith("http://127.0.0.1:")
    assert functions.find("fetch")(cluster.dashboard) > 0


def test_all_ports_are_on_this_machine_alone(cluster, locked):
    listening = [c.laddr for p in family() for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert len(listening) >= 2 * (2 + 1)
    assert {address.ip for address in listening} == {"127.0.0.1"}


# --- Workers that die ---


def test_a_killed_worker_loses_no_task_and_is_replaced(cluster):
    before = set(cluster.pids)
    spans = engine.spans(cluster.client, "pi_sum", [200_000 + n for n in range(20)])
    arrived = [next(spans) for _ in range(4)]
    killed = cluster.kill_one()
    arrived += spans
    assert sorted(span.job for span in arrived) == list(range(20))
    assert engine.trace(arrived).values == [pi_sum(200_000 + n) for n in range(20)]
    cluster.client.wait_for_workers(2, timeout=30)
    assert killed in before
    assert len(set(cluster.pids) - before) == 1


def test_a_task_that_kills_its_workers_is_given_up(cluster):
    before = set(cluster.pids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functions, "find", lambda _: os._exit)
        trace = engine.run(cluster.client, "leave", [1])
    assert "KilledWorker: Attempted to run task" in trace.errors[0]
    assert "on 2 different workers" in trace.errors[0]
    assert cluster.client.submit(square, 12).result(timeout=30) == 144
    cluster.client.wait_for_workers(2, timeout=30)
    assert len(set(cluster.pids) - before) >= 1


# --- Certificates ---


def test_only_who_has_the_certificate_is_let_in(locked):
    assert locked.address.startswith("tls://127.0.0.1:")
    assert engine.try_certificate(locked.address, locked.security) == ""
    assert engine.try_certificate(locked.address)
    assert engine.try_certificate(locked.address, Security.temporary())
    assert locked.client.submit(square, 5).result(timeout=30) == 25


def test_trying_a_certificate_leaves_our_own_trust_as_it_is(locked):
    engine.try_certificate(locked.address, locked.security)
    context = locked.security.get_connection_args("client")["ssl_context"]
    assert context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:80", "tls://127.0.0.1", "127.0.0.1:80"])
def test_trying_a_certificate_at_another_kind_of_address(address):
    with pytest.raises(ValueError, match="address: expected tls://host:port"):
        engine.try_certificate(address)


def test_a_certificate_can_be_read_by_its_owner_alone(tmp_path):
    engine.certify(tmp_path)
    files = [tmp_path / certificates.CERTIFICATE, tmp_path / certificates.KEY]
    assert "BEGIN CERTIFICATE" in files[0].read_text("ascii")
    assert "PRIVATE KEY" in files[1].read_text("ascii")
    if POSIX:
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]


def test_a_certificate_is_never_overwritten_nor_made_up(tmp_path):
    with pytest.raises(FileNotFoundError):
        engine.load(tmp_path)
    engine.certify(tmp_path)
    with pytest.raises(FileExistsError):
        engine.certify(tmp_path)
    assert engine.load(tmp_path).require_encryption


# --- TLS connections that break ---

BREAKER = """
import asyncio, contextlib, importlib, socket, ssl, sys
from tornado.iostream import SSLIOStream, StreamClosedError

cert, key, *repairs = sys.argv[1:]
for repair in repairs:
    importlib.import_module(repair)
client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
server.load_cert_chain(cert, key)

def connect():
    pair = socket.socketpair()
    for side in pair:
        side.setblocking(False)
    near = client.wrap_socket(pair[0], do_handshake_on_connect=False)
    far = server.wrap_socket(pair[1], server_side=True, do_handshake_on_connect=False)
    for side in [near, far] * 2:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return near, far

async def main():
    (_, healthy), (near, far) = connect(), connect()
    stream = SSLIOStream(near)
    await stream.wait_for_handshake()
    far.close()
    with contextlib.suppress(StreamClosedError):
        await stream.write(b"anybody there?")
    try:
        healthy.read(1)
    except ssl.SSLWantReadError:
        print("healthy")
    except OSError as error:
        print(error)

asyncio.run(main())
"""


def test_a_connection_that_breaks_harms_no_other(tmp_path):
    """It is written to after its other side has closed; then another is read from, in the same thread."""
    engine.certify(tmp_path)
    files = [str(tmp_path / name) for name in (certificates.CERTIFICATE, certificates.KEY)]

    def read(*repairs):
        program = [sys.executable, "-c", BREAKER, *files, *repairs]
        return subprocess.check_output(program, text=True, timeout=60).strip()

    if read() == "healthy":
        pytest.skip("this Python does not have the fault that tls_repair repairs")
    assert read(tls_repair.__name__) == "healthy"


def test_tornado_closes_tls_connections_as_our_repair_expects(monkeypatch):
    """Else a new version of Tornado has to be looked at, and ``tls_repair`` to follow it."""
    cleared = []
    monkeypatch.setattr(tls_repair, "clear_errors", lambda: cleared.append(True))
    monkeypatch.setattr(SSLIOStream, "close_fd", tls_repair.close_fd)

    async def close():
        here, there = socket.socketpair()
        with there, here:
            SSLIOStream(here).close()
            return here.fileno()

    assert asyncio.run(close()) == -1, "Tornado's close_fd does not close the socket any more"
    assert cleared, "Tornado does not call SSLIOStream.close_fd any more when a connection closes"


def test_clusters_with_tls_start_and_work_again_and_again():
    """Each takes its certificate along. Where OpenSSL is older, nothing has to be repaired: one is enough."""
    for _ in range(3 if ssl.OPENSSL_VERSION_INFO >= (3, 4) else 1):
        with engine.launch(workers=2, tls=True) as cluster:
            files = cluster.certificates
            assert len(files) == 2
            assert all(file.exists() for file in files)
            futures = cluster.client.map(square, range(10))
            assert cluster.client.gather(futures) == [n * n for n in range(10)]
        assert not files[0].parent.exists()


# --- What it costs ---


def test_costs_are_per_task_and_without_the_first_round():
    calls = []
    costs = engine.per_task({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 10, rounds=3)
    assert calls == ["a", "b"] * 4
    assert {name: len(seconds) for name, seconds in costs.items()} == {"a": 3, "b": 3}
    assert all(0 < s < 1 for seconds in costs.values() for s in seconds)


@pytest.mark.parametrize(("tasks", "rounds"), [(0, 1), (1, 0)])
def test_costs_of_nothing(tasks, rounds):
    with pytest.raises(ValueError, match="tasks, rounds: expected at least one"):
        engine.per_task({"a": print}, tasks, rounds)


# --- Start and end ---


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"workers": "2"}, {"workers": True}, {"allowed_failures": -1}]
)
def test_arguments_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected a whole number of at least"):
        engine.launch(**wrong)


@pytest.fixture
def temp(tmp_path, monkeypatch):
    """Make an empty folder the temporary one, here and in the programs that are started."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # where Python remembers what it was
    return tmp_path


def test_nothing_is_left_when_the_block_is_left(temp):
    before = set(family())
    with pytest.raises(ZeroDivisionError), engine.launch(workers=1) as cluster:  # noqa: PT012
        started = set(family()) - before
        cluster.client.submit(pi_sum, 100_000_000)
        raise ZeroDivisionError
    assert len(started) >= 3
    assert wait_until(lambda: not alive(started), 2), alive(started)
    cluster.stop()  # a second time changes nothing
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("what", ["_scheduler", "_workers"])
def test_a_program_that_does_not_start_leaves_nothing(what, temp, monkeypatch):
    real, before = getattr(cluster_module, what), set(family())

    def broken(*args):
        monkeypatch.setattr(programs, "READY", 8)  # not before: what comes first may be slow today
        return [*real(*args), "--no-such-option=1", "--port=x"]

    monkeypatch.setattr(cluster_module, what, broken)
    with pytest.raises(RuntimeError, match=f"the {what[1:]}s? did not start: .*"):
        engine.launch(workers=1)
    assert not alive(set(family()) - before)
    assert list(temp.iterdir()) == []


def test_workers_that_do_not_come_in_time(cluster, monkeypatch):
    """The error says how many came, and what their program said, even if that is nothing."""
    monkeypatch.setattr(programs, "READY", 1)
    silent = programs.start("timeit", "-n1", "-r1", "import sys; sys.stdin.read()")
    with pytest.raises(
        RuntimeError, match=r"2 of 3 came within \d seconds, .* still running and said nothing"
    ):
        cluster_module._wait_for(3, cluster.client, silent)
    silent.stop()


STARTER = """
import os, sys, time
from helpers import engine
from helpers.jobqueue import functions
cluster = engine.launch(workers=2, tls=True)
futures = cluster.client.map(functions.find("pi_sum"), [100_000_000] * 4, pure=False)
try:
    print("ready", cluster.certificates[0].parent, flush=True)
    cluster.client.gather(futures)
finally:
    print("left", flush=True)
"""


@pytest.fixture
def starter():
    """Start a program that starts a cluster, and hand it out with the processes and folder that it made."""
    env = {**os.environ, "PYTHONPATH": str(Path(programs.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True, env=env
    ) as program:
        word, _, folder = program.stdout.readline().strip().partition(" ")
        assert word == "ready"
        started = psutil.Process(program.pid).children(recursive=True)
        assert len(started) >= 4
        yield program, started, Path(folder)
        for process in started:
            with contextlib.suppress(psutil.Error):
                process.kill()
        program.kill()


def test_nothing_outlives_a_killed_notebook_by_two_seconds(starter):
    program, started, folder = starter
    program.kill()
    assert wait_until(lambda: not alive(started), 2), alive(started)
    assert wait_until(lambda: not folder.exists(), 1)


@pytest.mark.skipif(not POSIX, reason="on Windows an interrupt cannot be sent to one program alone")
def test_an_interrupt_ends_all(starter):
    program, started, folder = starter
    program.send_signal(signal.SIGINT)
    assert "left" in program.stdout.read()
    assert wait_until(lambda: not alive(started), 2), alive(started)
    assert not folder.exists()


# --- By hand, as across two hosts ---


@pytest.mark.parametrize("tls", [False, True])
def test_by_hand_with_the_plain_commands(tls, tmp_path, capsys):
    """The commands of ``helpers.engine.__main__``, on one host for want of two."""
    way, lock = ("tls", certificates.options(engine.certify(tmp_path))) if tls else ("tcp", [])
    nanny = [f"--preload-nanny={tls_repair.__name__}"] if tls else []
    own = {"DASK_LOGGING__DISTRIBUTED": "error", "DASK_TEMPORARY_DIRECTORY": str(tmp_path)}
    file, env = tmp_path / "scheduler.json", {**os.environ, **own}
    python = [sys.executable, "-m"]
    here = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *lock]
    scheduler = [*python, "distributed.cli.dask_scheduler", *here, "--protocol", way, "--port", "0",
                 "--scheduler-file", str(file)]  # fmt: skip
    with subprocess.Popen(scheduler, env=env) as first:
        try:
            assert wait_until(lambda: file.exists() and file.read_text().endswith("}"), 30)
            address = json.loads(file.read_text())["address"]
            worker = [*python, "distributed.cli.dask_worker", address, *here, "--nworkers", "1",
                      "--nthreads", "1", *nanny]  # fmt: skip
            with subprocess.Popen(worker, env=env) as second:
                try:
                    key = ["--certificate", str(tmp_path)] if tls else []
                    client_program.main([address, "3", "4", *key])
                finally:
                    second.terminate()
        finally:
            first.terminate()
    said = json.loads(capsys.readouterr().out)
    assert said["values"] == [9, 16]
    assert [where.split(":")[:2] for where in said["workers"]] == [[way, "//127.0.0.1"]]
