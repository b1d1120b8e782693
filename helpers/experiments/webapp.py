"""A small web application, a program of its own: it asks a database for products and renders them as a page.

    python -m helpers.experiments.webapp [--database URL]

``/own`` reads the database from the application's own disk. ``/visits`` also writes to it, and waits until
the disk has that. ``/network`` asks another program for the same rows: a second one of these, started without
``--database``, whose ``/rows?wait=SECONDS`` answers as JSON after a while.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html import escape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from helpers import checks, programs

PAGES = ("own", "visits", "network")
"""The pages of the application."""

_THIS = "helpers.experiments.webapp"

# --- The application ---------------------------------------------------------------------------------

PAGE = Template("<!doctype html><title>Products</title><ul>$items</ul><script>show($data)</script>\n")
ITEM = Template("<li>$name: <b>$price</b>\n")

Rows = Sequence[Sequence[Any]]  # name and price of each product


def page(rows: Rows) -> bytes:
    """Render the products: a template for each of them, one for the page, and the same as JSON."""
    items = "".join(ITEM.substitute(name=escape(name), price=f"{price:.2f}") for name, price in rows)
    return PAGE.substitute(items=items, data=json.dumps(rows)).encode()


def read(file: str) -> Rows:
    """Read the fifty cheapest products from a database in a file."""
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT name, price FROM products ORDER BY price LIMIT 50").fetchall()


def count_visit(file: str) -> None:
    """Write a visit to the database, and wait until the disk has it."""
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        database.execute("INSERT INTO visits VALUES (?)", [time.time()])


def ask(url: str) -> Rows:
    """Ask the database server for the products."""
    rows: Rows = json.loads(_get(url))
    return rows


class Handler(BaseHTTPRequestHandler):
    """One request, in a thread of its own: get the rows, render the page, note how long that took."""

    server: "Application"
    timeout = 10  # seconds that a client may keep us waiting for its request
    wbufsize = -1  # send the answer in one piece

    def do_GET(self) -> None:
        """Answer a request for one of the pages, for ``/rows``, or for ``/clocks``."""
        app, began, cpu = self.server, time.perf_counter(), time.thread_time()
        url = urlsplit(self.path)
        match url.path:
            case "/own":
                body = page(read(app.file))
            case "/visits":
                count_visit(app.file)
                body = page(read(app.file))
            case "/network":
                body = page(ask(app.database))
            case "/rows":
                time.sleep(float(parse_qs(url.query)["wait"][0]))  # the way there and back
                body = json.dumps(read(app.file)).encode()
            case "/clocks":
                clocks, app.clocks = app.clocks, []
                body = json.dumps(clocks).encode()
            case _:
                self.send_error(404)
                return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if url.path != "/clocks":  # before the client has its answer, and asks for the clocks
            app.clocks.append((time.perf_counter() - began, time.thread_time() - cpu))
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet: nobody reads what a server says after its first line."""


class Application(ThreadingHTTPServer):
    """The server: its database's file, another database's URL, and what each request took."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, file: str, database: str) -> None:
        """Listen at a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.file, self.database = file, database
        self.clocks: list[tuple[float, float]] = []  # seconds, and CPU seconds of the request's thread

    def handle_error(self, *_: Any) -> None:
        """Let a client go that is gone: the others are still to be served."""


def make_database(file: Path, products: int = 1000) -> None:
    """Write a database of so many products to a file."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE products (name TEXT, price REAL)")
        database.execute("CREATE TABLE visits (at REAL)")
        rows = ((f"Product <{number}>", number * 37 % 1009 + 0.99) for number in range(products))
        database.executemany("INSERT INTO products VALUES (?, ?)", rows)


def _main(database: str) -> None:
    with tempfile.TemporaryDirectory(prefix="webapp-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "products.sqlite"
        make_database(file)
        with Application(str(file), database) as app:
            programs.when_input_closes(app.shutdown)
            print(f"http://127.0.0.1:{app.server_port}/", flush=True)
            app.serve_forever()


# --- The reader's side -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visits:
    """Requests for one page by some clients: the wall time of all, and what each took inside.

    ``seconds`` is wall time; ``each`` holds, for each request, the seconds from its start to its answer and
    the CPU seconds of its thread.
    """

    page: str
    clients: int
    seconds: float
    each: tuple[tuple[float, float], ...]

    def __repr__(self) -> str:
        """Return the figures in one line."""
        return f"<Visits: {len(self.each)} of /{self.page} by {self.clients} clients, {self.seconds:.3g} s>"

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.each) / self.seconds

    @property
    def share(self) -> float:
        """The share of a request's time, 0 to 1, in which it was on a core: the median of all."""
        return median(min(1.0, cpu / seconds) for seconds, cpu in self.each)


@dataclass(frozen=True)
class WebApp:
    """A running application, for ``serving``."""

    url: str

    def visit(self, page: str, requests: int = 100, clients: int = 1) -> Visits:
        """Request a page so often, by so many clients at once; return what that took.

        Raises ValueError for arguments that make no sense, OSError when the application fails.
        """
        if page not in PAGES:
            raise ValueError(f"page: expected one of {', '.join(PAGES)}, got {page!r}")
        checks.whole(1, 10_000, requests=requests)
        checks.whole(1, 100, clients=clients)
        with ThreadPoolExecutor(clients) as crowd:
            list(crowd.map(_get, [self.url + page] * clients))  # the first have more to do
            _get(f"{self.url}clocks")
            began = time.perf_counter()
            list(crowd.map(_get, [self.url + page] * requests))
            seconds = time.perf_counter() - began
        each = json.loads(_get(f"{self.url}clocks"))
        return Visits(page, clients, seconds, tuple((wall, cpu) for wall, cpu in each))


@contextmanager
def serving(delay: float = 0.02) -> Iterator[WebApp]:
    """Start the application and a database server that answers after ``delay`` seconds; end both.

    Raises ValueError for a delay that is not 0 to 10 seconds, RuntimeError when one does not start.
    """
    checks.seconds(0, 10, delay=delay)
    with _started() as database, _started("--database", f"{database}rows?wait={delay}") as url:
        yield WebApp(url)


@contextmanager
def _started(*arguments: str) -> Iterator[str]:
    program = programs.start(_THIS, *arguments)
    try:
        yield program.line("http")
    except programs.ProgramFailed as error:
        raise RuntimeError(f"the application did not start: {error}") from None
    finally:
        program.stop()


def _get(url: str) -> bytes:
    """Return the body of an answer. Raises OSError for an error of the server."""
    host, page = checks.http(url)
    with closing(HTTPConnection(host, timeout=30)) as connection:
        connection.request("GET", page)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"{url}: {answer.status} {answer.reason}")
        return answer.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a page of products.")
    parser.add_argument("--database", default="", help="URL of another database's rows, for /network")
    _main(parser.parse_args().database)
