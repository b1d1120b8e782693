"""Real servers on this machine: what they answer, what a crash costs them, and that they outlive nobody."""

import math
import multiprocessing
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import psutil
import pytest

from helpers import children, jobs, measure, servers
from helpers.servers import launch

KINDS = pytest.mark.parametrize("kind", servers.KINDS)
THREADS = {"pre-fork": 1, "threaded": 4, "hybrid": 2}  # in each process of a server of four workers
NONSENSE = {
    "nothing": b"",
    "bytes": b"\x00\xff" * 50,
    "no HTTP": b"hello\r\n\r\n",
    "half a request": b"GET / HTTP/1.1\r\n",
    "far too much": b"x" * 200_000,
    "many ends": b"\r\n\r\n" * 1000,
}


def address(url):
    parts = urlsplit(url)
    return parts.hostname, parts.port


def connect(url):
    return socket.create_connection(address(url), timeout=10)


def say(url, text):
    """Send these bytes and nothing more; return all that comes back, as far as it comes."""
    answer = b""
    with connect(url) as client, suppress(OSError):  # it may hang up on us at any time
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(4096):
            answer += piece
    return answer


@pytest.fixture(scope="module")
def quick():
    with servers.slow(delay=0) as url:
        yield url


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.25])
def test_an_answer_takes_at_least_the_delay(delay):
    with servers.slow(delay) as url:
        began = time.perf_counter()
        assert jobs.fetch(url) > 0
        seconds = time.perf_counter() - began
    assert seconds >= delay - time.get_clock_info("monotonic").resolution


def test_a_request_may_ask_for_another_delay(quick):
    began = time.perf_counter()
    assert jobs.fetch(f"{quick}?wait=0.2") == jobs.fetch(quick)
    assert 0.2 <= time.perf_counter() - began + time.get_clock_info("monotonic").resolution < 5


@pytest.mark.parametrize("wait", ["-1", "11", "soon", "nan"])
def test_a_delay_that_is_none_is_refused(quick, wait):
    answer = say(quick, f"GET /?wait={wait} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"wait: expected 0 to 10 seconds\n")


def test_it_tells_the_cpu_time_that_it_has_used():
    def used():
        return float(say(url, b"GET /cpu HTTP/1.1\r\n\r\n").rpartition(b"\r\n")[2])

    with servers.slow(delay=5) as url:  # which it does not wait for
        before, end = used(), time.monotonic() + 10
        while used() <= before:
            assert time.monotonic() < end


def test_a_lasting_server_is_the_same_at_every_call_and_another_when_it_has_died():
    url = servers.lasting(delay=0.001)
    assert servers.lasting(delay=0.001) == url != servers.lasting(delay=0.002)
    launch._lasting[0.001][0].kill()
    assert jobs.fetch(servers.lasting(delay=0.001)) > 0
    for delay in (0.001, 0.002):
        program, _ = launch._lasting.pop(delay)
        program.stop()


def test_a_lasting_server_ends_with_the_python_that_has_started_it():
    program = "from helpers import servers\nprint(servers.lasting(0), flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as reader:
        url = reader.stdout.readline().strip()
        assert jobs.fetch(url) > 0
        reader.kill()
    end = time.monotonic() + 5
    while is_up(url):
        assert time.monotonic() < end
        time.sleep(0.02)


def is_up(url):
    with suppress(OSError), connect(url):
        return True
    return False


def test_a_hundred_at_once_wait_at_once():
    """One after another they would take 30 s."""
    with servers.slow(delay=0.3) as url, ThreadPoolExecutor(100) as clients:
        began = time.perf_counter()
        sizes = list(clients.map(jobs.fetch, [url] * 100))
        assert time.perf_counter() - began < 15
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_does_not_stop_it(quick, nonsense):
    say(quick, nonsense)
    assert jobs.fetch(quick) > 0


def test_clients_that_never_finish_their_request_do_not_stop_it(quick):
    clients = [connect(quick) for _ in range(50)]
    for client in clients[:25]:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h")
    assert jobs.fetch(quick) > 0
    for client in clients:
        client.close()
    assert jobs.fetch(quick) > 0


def test_a_client_that_does_not_wait_for_its_answer_does_not_stop_it():
    with servers.slow(delay=0.05) as url:
        for _ in range(20):
            with connect(url) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert jobs.fetch(url) > 0


def test_only_this_machine_can_reach_it():
    before = set(psutil.Process().children())
    with servers.slow(delay=0) as url:
        (server,) = set(psutil.Process().children()) - before
        listening = [c.laddr for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert [(at.ip, at.port) for at in listening] == [address(url)]
        assert address(url)[0] == "127.0.0.1"


def test_it_is_gone_after_the_block():
    before = set(psutil.Process().children())
    with pytest.raises(ZeroDivisionError), servers.slow(delay=0) as url:
        raise ZeroDivisionError
    assert set(psutil.Process().children()) <= before
    with pytest.raises(ConnectionRefusedError):
        connect(url)


def test_leaving_the_block_does_not_wait_for_answers():
    with servers.slow(delay=10) as url:
        waiting = connect(url)
        waiting.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with waiting:
        assert is_closed(waiting)


def test_it_ends_with_a_starter_that_is_killed():
    program = "from helpers import servers\nwith servers.slow(0) as url: print(url, flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as starter:
        url = starter.stdout.readline().strip()
        with connect(url) as client:
            starter.kill()
            client.settimeout(2)
            assert is_closed(client)


def is_closed(client):
    """Wait until the other side of a connection is gone."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("wrong", [-0.1, 10.1, float("nan"), float("inf")])
def test_a_wrong_delay_is_refused(wrong):
    threads = threading.active_count()
    with (
        pytest.raises(ValueError, match=f"delay: expected 0 to 10 seconds, got {wrong!r}"),
        servers.slow(wrong),
    ):
        pass
    assert threading.active_count() == threads


def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path):
    (tmp_path / "asyncio.py").write_text("raise SystemExit('this is no asyncio')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="the server did not start: this is no asyncio"), servers.slow():
        pass


# --- Pre-fork, threaded, hybrid ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def three():
    """A server of each kind, by kind; they are not to be crashed."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(servers.serving(kind)) for kind in servers.KINDS}


def are_gone(pids):
    """Wait up to two seconds for processes to end; one that nobody has asked for its exit code has ended."""
    end = time.monotonic() + 2
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(is_alive(pid) for pid in pids)


def is_alive(pid):
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def someone_new_answers(url, known):
    """Ask until a process that is not known answers, for half a minute at most."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        load = servers.load(url, requests=20)
        assert load.lost == 0
        if load.pids - known:
            return True
    return False


@KINDS
def test_every_request_is_answered_by_a_process_of_the_server(three, kind):
    load = servers.load(three[kind].url, requests=100)
    assert (len(load.latencies), load.lost) == (100, 0)
    assert 0 < min(load.latencies) <= load.median <= max(load.latencies) <= load.seconds
    assert load.requests_per_second == 100 / load.seconds
    assert load.pids <= three[kind].pids
    assert os.getpid() not in three[kind].pids
    assert kind != "threaded" or len(load.pids) == 1


@KINDS
def test_four_are_served_at_once_and_no_more(three, kind):
    ask = partial(servers.load, three[kind].url + "?wait=0.15", clients=5)
    five = ask(5)
    four = measure.again(lambda: ask(4), lambda load: load.seconds < 2 * 0.15)
    assert five.lost == four.lost == 0
    assert four.seconds < 2 * 0.15 <= five.seconds + time.get_clock_info("monotonic").resolution
    assert len(four.pids) == 4 // THREADS[kind]


def test_every_process_costs_memory(three):
    used = {kind: server.memory() for kind, server in three.items()}
    assert len({memory.counted for memory in used.values()}) == 1
    assert 2**20 < used["threaded"].bytes < used["hybrid"].bytes < used["pre-fork"].bytes < 2**30


def test_memory_that_cannot_be_looked_at_closely_is_counted_with_what_is_shared(three, monkeypatch):
    close = three["hybrid"].memory().bytes

    def refuse(self):
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    far = three["hybrid"].memory()
    assert far.counted == "RSS"
    assert far.bytes > close or sys.platform == "darwin"


@KINDS
def test_nonsense_does_not_stop_a_server_of_any_kind(three, kind):
    before = three[kind].pids
    for nonsense in (*NONSENSE.values(), b"GET //[ HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"):
        say(three[kind].url, nonsense)
    assert servers.load(three[kind].url, requests=8).lost == 0
    assert three[kind].pids == before


@pytest.mark.parametrize("wait", ["-1", "10.1", "nan", "inf", "long"])
def test_a_wrong_wait_is_refused(three, wait):
    answer = say(three["threaded"].url, f"GET /?wait={wait} HTTP/1.0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 400 wait: expected 0 to 10 seconds")


@KINDS
def test_only_this_machine_can_reach_a_server_of_any_kind(three, kind):
    found = [c for pid in three[kind].pids for c in psutil.Process(pid).net_connections("inet")]
    assert {tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN} == {address(three[kind].url)}


@KINDS
def test_a_crash_costs_what_its_process_had_in_hand_and_the_master_replaces_it(kind):
    with servers.serving(kind) as server:
        known = server.pids
        load = servers.load(server.url, requests=100, crash_at=50)
        assert load.lost < THREADS[kind]
        assert len(load.latencies) + load.lost == 100
        assert someone_new_answers(server.url, known)
        assert len(server.pids) == len(known)


def test_who_is_in_hand_of_the_process_that_crashes_is_lost():
    """Three of four workers wait; the fourth takes the crash."""
    lost = {}
    for kind in servers.KINDS:
        with servers.serving(kind) as server, ThreadPoolExecutor(1) as clients:
            waiting = clients.submit(servers.load, server.url + "?wait=1.5", 3, 3)
            time.sleep(0.7)
            servers.outage(server.url)
            lost[kind] = waiting.result().lost
    assert lost == {"pre-fork": 0, "threaded": 3, "hybrid": 1}


@KINDS
def test_an_outage_ends_with_an_answer(kind):
    with servers.serving(kind) as server:
        known = server.pids
        seconds, pid = servers.outage(server.url)
        assert 0 < seconds < 30
        assert pid in server.pids
        assert kind != "threaded" or pid not in known
        assert someone_new_answers(server.url, known)


def test_an_outage_that_does_not_end_is_an_error():
    with servers.serving("threaded") as server:
        url = server.url
    with pytest.raises(RuntimeError, match=f"{url} did not answer after a crash"):
        servers.outage(url)


@KINDS
def test_every_kind_has_one_master_and_its_workers(three, kind):
    """And two more, of multiprocessing's own, where a fork server forks them."""
    workers = 4 // THREADS[kind]
    own = {"forkserver": 2, "spawn": 1 if os.name == "posix" else 0, "fork": 0}
    assert len(three[kind].pids) == 1 + workers + own[children.default_start_method()]


@pytest.mark.parametrize(
    "method", sorted(set(multiprocessing.get_all_start_methods()) - {children.default_start_method()})
)
def test_workers_share_the_socket_however_they_are_started(monkeypatch, method):
    monkeypatch.setenv("HELPERS_START_METHOD", method)
    with servers.serving("pre-fork", workers=2) as server:
        known = server.pids
        assert servers.load(server.url, requests=20, crash_at=10).lost == 0
        assert someone_new_answers(server.url, known)


def test_all_its_processes_are_gone_after_the_block():
    with suppress(ZeroDivisionError), servers.serving("hybrid", workers=2) as server:
        pids = server.pids
        raise ZeroDivisionError
    assert not any(is_alive(pid) for pid in pids)
    assert server.pids == set()


def test_all_its_processes_end_with_a_starter_that_is_killed():
    program = """if True:
        from helpers import servers
        with servers.serving("hybrid") as server:
            print(*server.pids, flush=True)
            input()"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as starter:
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        assert len(pids) >= 1 + 2
        starter.kill()
        assert are_gone(pids)


def test_it_needs_a_kind_and_an_even_number_of_workers():
    for wrong in ("prefork", "", None):
        with pytest.raises(ValueError, match=f"kind: expected one of pre-fork, .*, got {wrong!r}"):
            servers.serving(wrong).__enter__()
    for wrong in (0, 3, 34, -2, 2.0, "4", True):
        with pytest.raises(ValueError, match=f"workers: expected an even number .*, got {wrong!r}"):
            servers.serving("hybrid", wrong).__enter__()


def test_workers_that_cannot_start_are_reported(monkeypatch, tmp_path):
    """This one stops every process that ``multiprocessing`` spawns, before it runs a line of ours."""
    stop = "import os, sys\nif any('spawn_main' in word for word in sys.orig_argv): os._exit(3)"
    (tmp_path / "sitecustomize.py").write_text(stop)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("HELPERS_START_METHOD", "spawn")
    message = "the server did not start: a worker ended before it was ready"
    with pytest.raises(RuntimeError, match=message), servers.serving("hybrid"):
        pass


def test_a_start_method_that_is_not_there_is_reported(monkeypatch):
    monkeypatch.setenv("HELPERS_START_METHOD", "teleport")
    message = "did not start: ValueError: HELPERS_START_METHOD: .*, got 'teleport'"
    with pytest.raises(RuntimeError, match=message), servers.serving("pre-fork"):
        pass


# --- The load ----------------------------------------------------------------------------------------


@contextmanager
def saying(answer):
    """A server that says this to everybody; hand out its URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n42", 0),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n4", 3),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", 3),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nsorry", 3),
        (b"HTTP/1.0 2", 3),
        (b"nonsense", 3),
        (b"", 3),
    ],
    ids=["whole", "half a body", "no body", "other words", "half a line", "nonsense", "nothing"],
)
def test_a_broken_answer_is_a_lost_request(answer, lost):
    with saying(answer) as url:
        load = servers.load(url, requests=3, clients=2)
    assert load.lost == lost
    assert load.pids == (frozenset() if lost else {42})


def test_the_figures_of_a_load():
    load = servers.Load(tuple(n / 100 for n in range(200, 0, -1)), 3, 4.0, frozenset({1}))
    assert (load.requests_per_second, load.median) == (50, 1.005)
    nothing = servers.Load((), 3, 0.0, frozenset())
    assert nothing.requests_per_second == 0
    assert math.isnan(nothing.median)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "https://127.0.0.1/"}, "url: expected http://host/path, got 'https://127.0.0.1/'"),
        ({"url": None}, "url: expected http://host/path, got None"),
        ({"requests": 0}, "requests: expected a whole number from 1 to 100000, got 0"),
        ({"requests": 2.0}, r"requests: expected a whole number from 1 to 100000, got 2\.0"),
        ({"clients": 101}, "clients: expected a whole number from 1 to 100, got 101"),
        ({"crash_at": 201}, "crash_at: expected a whole number from 0 to 200, got 201"),
        ({"crash_at": True}, "crash_at: expected a whole number from 0 to 200, got True"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        servers.load(**{"url": "http://127.0.0.1:9/"} | wrong)
