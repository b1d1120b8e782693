"""A real server on this machine: it keeps clients waiting as long as it says, and outlives nobody."""

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import pytest

from helpers import jobs, servers


def address(url):
    parts = urlsplit(url)
    return parts.hostname, parts.port


def connect(url):
    return socket.create_connection(address(url), timeout=10)


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


def test_a_hundred_at_once_wait_at_once():
    """One after another they would take 30 s."""
    with servers.slow(delay=0.3) as url, ThreadPoolExecutor(100) as clients:
        began = time.perf_counter()
        sizes = list(clients.map(jobs.fetch, [url] * 100))
        assert time.perf_counter() - began < 15
    assert len(set(sizes)) == 1


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"\x00\xff" * 50, b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n", b"x" * 200_000, b"\r\n\r\n" * 1000],
    ids=["nothing", "bytes", "no HTTP", "half a request", "far too much", "many ends"],
)
def test_nonsense_does_not_stop_it(quick, nonsense):
    with connect(quick) as client, suppress(OSError):  # it may hang up on us at any time
        client.sendall(nonsense)
        client.shutdown(socket.SHUT_WR)
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
