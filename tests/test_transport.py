"""What the queue takes from CPython's inside: a contract that a new Python may break."""

import importlib
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import AuthenticationError
from multiprocessing import connection as connections
from operator import attrgetter

import pytest
from queue_helpers import HERE, KEY

from helpers.jobqueue import listener as listening
from helpers.jobqueue import transport
from helpers.jobqueue.errors import NobodyThere

SECRET = KEY.encode()


USED = [
    "managers.listener_client",
    "connection.Connection",
    "connection.answer_challenge",
    "connection.deliver_challenge",
    "managers.Server.accepter",
    "managers.Server.handle_request",
    "managers.Server.public",
    "util.is_exiting",
]


@pytest.mark.parametrize("name", USED)
def test_cpython_has_what_the_queue_uses(name):
    module, _, part = name.partition(".")
    try:
        attrgetter(part)(importlib.import_module(f"multiprocessing.{module}"))
    except AttributeError:
        pytest.fail(
            f"multiprocessing.{name} is gone; transport, listener, protocol or server uses it. See "
            "how CPython's own managers.Server and connection.Client do now what it did, and do the same"
        )


@pytest.mark.parametrize(("key", "is_let_in"), [(SECRET, True), (b"another", False)])
def test_a_plain_client_of_cpython_is_let_in_by_our_listener_if_it_has_the_key(key, is_let_in):
    with closing(listening.Listener((HERE, 0), 1)) as listener, ThreadPoolExecutor(1) as thread:
        visitor = thread.submit(connections.Client, listener.address, authkey=key)
        with listener.accept() as accepted:
            try:
                connections.deliver_challenge(accepted, SECRET)
                connections.answer_challenge(accepted, SECRET)
            except AuthenticationError:
                pass
        assert (visitor.exception() is None) == is_let_in
        if is_let_in:
            visitor.result().close()


def test_we_are_let_in_by_a_plain_listener_of_cpython():
    with connections.Listener((HERE, 0), authkey=SECRET) as listener, ThreadPoolExecutor(1) as thread:
        accepted = thread.submit(listener.accept)
        with listening.visit(listener.address, SECRET) as connection, accepted.result() as other:
            connection.send("hello")
            assert other.recv() == "hello"


def test_one_that_closes_at_once_is_not_taken_for_another_program():
    """As a master does that is killed when a visitor comes."""
    with socket.create_server((HERE, 0)) as server, ThreadPoolExecutor(1) as thread:
        closing = thread.submit(lambda: [server.accept()[0].close() for _ in range(2)])
        for visit in (
            lambda: transport.look(*server.getsockname()),
            lambda: transport.dial(*server.getsockname(), SECRET, (), 5),
        ):
            with pytest.raises(NobodyThere, match="closes the connection at once: is the master just ending"):
                visit()
        closing.result()
