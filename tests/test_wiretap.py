"""A tap on a real line: all passes unchanged and at once, all is heard, and it ends when it should."""

import socket
import threading

import pytest

from helpers import jobqueue
from helpers.experiments import wiretap
from helpers.jobqueue import protocol

SECRET = "meet me at noon"


@pytest.fixture
def echo():
    """Serve one visitor, who gets back what he sent when he has said all; return the address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        visitor, _ = server.accept()
        with visitor:
            said = b"".join(iter(lambda: visitor.recv(4096), b""))
            visitor.sendall(said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with server:
        yield server.getsockname()
        thread.join(10)


def test_what_is_sent_arrives_both_ways_and_is_heard(echo):
    sent = bytes(range(256)) * 4000
    with wiretap.tapped(*echo) as tap, socket.create_connection((tap.host, tap.port), 10) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        back = b"".join(iter(lambda: line.recv(4096), b""))
    assert back == sent
    assert tap.heard == sent + b"\n" + sent


def test_the_tap_hears_a_task_and_not_the_key():
    with jobqueue.launch_master() as master, wiretap.tapped(master.host, master.port) as tap:
        client = jobqueue.Client(tap.host, tap.port, master.key)
        client.task_queue.put(SECRET)
        assert client.pid == master.pid
        assert master.task_queue.get() == SECRET
        assert SECRET.encode() in tap.heard
        assert master.key not in tap.heard
        assert bytes.fromhex(master.key.decode()) not in tap.heard


def test_a_worker_works_through_the_tap_and_nobody_comes_in_after_it():
    with jobqueue.launch_master() as master:
        with wiretap.tapped(master.host, master.port) as tap:
            client = jobqueue.Client(tap.host, tap.port, master.key)
            with jobqueue.launch_workers(client):
                assert list(client.map("square", [3, 4])) == [9, 16]
        with pytest.raises(jobqueue.NobodyThere):
            protocol.connect(tap.host, tap.port, master.key)


def test_a_visitor_finds_the_line_closed_where_no_server_is():
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = server.getsockname()
    with wiretap.tapped(*nowhere) as tap, socket.create_connection((tap.host, tap.port), 10) as line:
        assert line.recv(1) == b""


def test_what_is_not_kept_is_counted(echo):
    with wiretap.tapped(*echo, keep=False) as tap, socket.create_connection((tap.host, tap.port), 10) as line:
        line.sendall(b"x" * 100_000)
        line.shutdown(socket.SHUT_WR)
        back = b"".join(iter(lambda: line.recv(4096), b""))
    assert len(back) == 100_000
    assert tap.passed == 200_000
    assert not tap.heard.strip()
