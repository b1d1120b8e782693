"""What answers a request: a few threads that take their clients from one listening socket, in turn."""

import contextlib
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from multiprocessing.synchronize import Semaphore
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

from helpers import children, jobs

TERMS = 5_000  # of the sum behind each answer: half a millisecond to a millisecond of work


class Handler(BaseHTTPRequestHandler):
    """One request: add up some fractions, wait ``?wait=SECONDS`` if asked to, say which process this is."""

    timeout = 10  # seconds that a client may keep us waiting for its request
    wbufsize = -1  # send the answer in one piece

    def do_GET(self) -> None:
        """Answer; or, if asked for /crash, touch memory that is not there, as a faulty extension does."""
        try:
            url = urlsplit(self.path)
            wait = float(parse_qs(url.query).get("wait", ["0"])[0])
            if not 0 <= wait <= 10:
                raise ValueError
        except ValueError:
            self.send_error(400, "wait: expected 0 to 10 seconds")
            return
        if url.path == "/crash":
            jobs.crash()
        time.sleep(wait)
        jobs.pi_sum(TERMS)
        body = b"%d\n" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: nobody reads what a server says after its first line."""


def serve(listener: socket.socket, threads: int) -> NoReturn:
    """Serve for ever with this number of threads, the calling one among them."""
    for _ in range(threads - 1):
        threading.Thread(target=_serve_one_by_one, args=(listener,), daemon=True).start()
    _serve_one_by_one(listener)


def _serve_one_by_one(listener: socket.socket) -> NoReturn:
    while True:
        with contextlib.suppress(OSError):  # a client that is gone: the others are still to be served
            client, address = listener.accept()
            with client:
                Handler(client, address, None)  # type: ignore[arg-type]  # handles the request at once


def work(listener: socket.socket, threads: int, ready: Semaphore) -> NoReturn:
    """Be a worker process: say that we are ready, then serve until we crash or the master is gone."""
    children.leave_with_parent()
    ready.release()
    serve(listener, threads)
