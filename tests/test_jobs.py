"""The jobs do what they say, for any caller: in a thread, in a process, with or without an observer."""

import ast
import asyncio
import hashlib
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import jobs, servers, ways

steady = settings(deadline=None, derandomize=True)  # the same examples on every run, however slow it is
most_digits = cache(lambda: jobs.pi_digits(4000))


@steady
@given(st.integers(1, 5000))
def test_pi_sum_is_as_close_to_pi_as_its_series(terms):
    """The error of an alternating series is below the first term left out, and has its sign."""
    error = math.pi - jobs.pi_sum(terms)
    assert 0 < error * (-1) ** terms < 4 / (2 * terms + 1)


@steady
@given(st.integers(1, 5000))
def test_pi_sum_adds_every_term(terms):
    exact = math.fsum((-1) ** k * 4 / (2 * k + 1) for k in range(terms))
    assert jobs.pi_sum(terms) == pytest.approx(exact, rel=1e-12)


def test_pi_digits_knows_the_first_fifty():
    assert jobs.pi_digits(50) == "31415926535897932384626433832795028841971693993751"


def test_pi_digits_knows_six_nines():
    """Decimals 762 to 767, where a careless rounding would show."""
    assert jobs.pi_digits(768)[762:] == "999999"


@steady
@given(st.integers(1, 4000))
def test_fewer_digits_are_the_beginning_of_more(digits):
    fewer = jobs.pi_digits(digits)
    assert len(fewer) == digits
    assert most_digits().startswith(fewer)


@pytest.mark.parametrize(
    ("job", "size", "ticks"),
    [(jobs.pi_sum, 1201, 4), (jobs.pi_digits, 100, 100)],
)
def test_a_long_job_calls_tick_often(job, size, ticks):
    calls = []
    assert job(size, tick=lambda: calls.append(None)) == job(size)
    assert len(calls) >= ticks


def test_hashes_know_a_standard_vector(tmp_path):
    """The example in FIPS 180-2, appendix B.1."""
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert jobs.hash_file(file) == jobs.hash_bytes(b"abc") == digest


@pytest.mark.parametrize("size", [0, 1, 64, 1_000_003])
def test_hashes_agree_with_hashlib(tmp_path, size):
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    file = tmp_path / "content"
    file.write_bytes(content)
    assert jobs.hash_file(str(file)) == jobs.hash_bytes(content) == hashlib.sha256(content).hexdigest()


def test_hash_file_says_which_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        jobs.hash_file(tmp_path / "nowhere")


def test_fetch_counts_the_bytes_of_the_body():
    with servers.slow(delay=0) as url:
        by_hand = HTTPConnection(urlsplit(url).netloc, timeout=10)
        by_hand.request("GET", "/")
        body = by_hand.getresponse().read()
        by_hand.close()
        assert jobs.fetch(url) == len(body) > 0
        assert asyncio.run(jobs.fetch_async(url)) == len(body)


def test_mixed_work_fetches_and_sums():
    looks = []
    with servers.slow(delay=0) as url:
        assert jobs.fetch_and_sum(url, 1000, lambda: looks.append(1)) == jobs.pi_sum(1000)
    assert len(looks) > 1
    with pytest.raises(OSError, match="refused"):
        jobs.fetch_and_sum(url, 1000)


def test_fetch_asks_no_proxy():
    """In a program of its own, as proxies may be looked up when a module is imported."""
    env = {**os.environ, "http_proxy": "http://127.0.0.1:9/", "no_proxy": "", "NO_PROXY": ""}
    with servers.slow(delay=0) as url:
        command = [sys.executable, "-c", f"from helpers import jobs; print(jobs.fetch({url!r}))"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout == f"{jobs.fetch(url)}\n", done.stderr


def test_fetch_says_that_nothing_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        jobs.fetch(f"http://127.0.0.1:{port}/")


FETCHES = {
    "fetch": jobs.fetch,
    "fetch_async": lambda url: asyncio.run(jobs.fetch_async(url)),
    "fetch_with_curl": jobs.fetch_with_curl,
}


@pytest.fixture(params=FETCHES)
def fetch(request):
    if request.param == "fetch_with_curl" and not shutil.which("curl"):
        pytest.skip("needs the program curl")
    return FETCHES[request.param]


@contextmanager
def answering(reply, host="127.0.0.1"):
    """Answer one request after another so; hand out the address, and what was asked for."""
    asked = []
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server, ThreadPoolExecutor(1) as thread:

        def answer():
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        asked.append(client.recv(65536).decode())
                        client.sendall(reply)

        thread.submit(answer)
        try:
            name = f"[{host}]" if ":" in host else host
            yield f"{name}:{server.getsockname()[1]}", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("rest", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/?n=7", "/?n=7"),
        ("?n=7&m=8", "/?n=7&m=8"),
        ("/a%20b/%C3%BC?q=%26+x", "/a%20b/%C3%BC?q=%26+x"),
        ("/a?n=7#part", "/a?n=7"),
        ("#part", "/"),
        ("//a;b=[1-3]{x,y}", "//a;b=[1-3]{x,y}"),
    ],
)
def test_what_is_asked_for_is_all_that_the_url_says(fetch, rest, target):
    with answering(OK) as (address, asked):
        assert fetch(f"http://{address}{rest}") == 5
    (request,) = asked
    assert request.splitlines()[0].split()[:2] == ["GET", target]
    assert f"Host: {address}" in request.splitlines()


def test_a_query_reaches_a_server_as_it_is(fetch):
    """It waits as long as it is asked to."""
    with servers.serving("threaded", 2) as server:
        began = time.perf_counter()
        fetch(f"{server.url}?wait=0.4")
        assert time.perf_counter() - began >= 0.4


def test_an_address_in_brackets_is_one_of_ipv6(fetch):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with answering(OK, "::1") as (address, asked):
        assert fetch(f"http://{address}/") == 5
    assert f"Host: {address}" in asked[0].splitlines()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "broke off|exit status 18"),
        (OK[:-1], "the answer broke off|exit status 18"),
        (b"", "the answer broke off|Remote end closed|exit status 52"),
        (b"HTTP/1.0 404 Not Found\r\n\r\nnothing here", "404 Not Found|exit status 22"),
        (b"HTTP/1.0 500 Oh\r\n\r\nno", "500 Oh|exit status 22"),
    ],
)
def test_half_an_answer_and_an_error_are_no_page(fetch, reply, words):
    with (
        answering(reply) as (address, _),
        pytest.raises((OSError, subprocess.CalledProcessError), match=words),
    ):
        fetch(f"http://{address}/")


def test_a_redirection_is_an_answer_like_any_other(fetch):
    with answering(OK.replace(b"200 OK", b"302 Found\r\nLocation: http://127.0.0.1:9/")) as (address, _):
        assert fetch(f"http://{address}/") == 5


def test_curl_does_not_follow_the_settings_of_the_user(tmp_path, monkeypatch):
    if not shutil.which("curl"):
        pytest.skip("needs the program curl")
    (tmp_path / ".curlrc").write_text("include\n")
    monkeypatch.setenv("CURL_HOME", str(tmp_path))
    with answering(OK) as (address, _):
        assert jobs.fetch_with_curl(f"http://{address}/") == 5


NOT_HTTP = [
    "https://127.0.0.1/",
    "file:///etc/hosts",
    "127.0.0.1:80",
    "",
    "--help",
    None,
    b"http://127.0.0.1/",
]
NO_HOST = [
    "http://",
    "http:///path",
    "http://:80/",
    "http://a:b/",
    "http://a:99999/",
    "http://a:0/",
    "http://[::1/",
]


@pytest.mark.parametrize("wrong", [*NOT_HTTP, *NO_HOST, "http://me@127.0.0.1/", "http://me:word@127.0.0.1/"])
def test_what_is_not_http_is_refused(fetch, wrong):
    with pytest.raises(ValueError, match=re.escape(f"url: expected http://host/path, got {wrong!r}")):
        fetch(wrong)


@pytest.mark.parametrize(
    "wrong", ["http://127.0.0.1/a b", "http://127.0.0.1/ü", "http://127.0.0.1/a\r\nb: c"]
)
def test_what_no_url_may_hold_is_refused(fetch, wrong):
    with pytest.raises(ValueError, match=re.escape(f"as %XX, got {wrong!r}")):
        fetch(wrong)


def test_fetch_async_says_that_nothing_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError, match=r"Connect call failed|refused"):
        asyncio.run(jobs.fetch_async(f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_write_durably_leaves_nothing(tmp_path, size):
    assert jobs.write_durably(tmp_path, size) == size
    assert list(tmp_path.iterdir()) == []


def test_write_durably_says_which_folder_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        jobs.write_durably(tmp_path / "nowhere")


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "10", None])
@pytest.mark.parametrize("name", ["terms", "digits", "size"])
def test_a_wrong_number_is_refused_by_name(tmp_path, name, wrong):
    by_name = {"terms": jobs.pi_sum, "digits": jobs.pi_digits}
    job = by_name.get(name, jobs.write_durably)
    arguments = {"folder": tmp_path} if name == "size" else {}
    with pytest.raises(ValueError, match=f"{name}: expected a whole number of at least 1, got {wrong!r}"):
        job(**arguments, **{name: wrong})


def test_more_digits_than_python_turns_into_text_are_refused():
    with pytest.raises(ValueError, match="digits: expected at most 4000, got 4001"):
        jobs.pi_digits(4001)


def test_a_process_can_do_the_jobs(tmp_path):
    hashes = [partial(jobs.hash_bytes, b"abc"), partial(jobs.hash_file, __file__)]
    work = [partial(jobs.pi_sum, 1), partial(jobs.pi_digits, 1), *hashes]
    assert ways.run([*work, partial(jobs.write_durably, tmp_path)], "processes").errors == {}


def test_jobs_read_no_clock_and_print_nothing():
    tree = ast.parse(Path(jobs.__file__).read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {
        module.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    assert "hashlib" in imported  # the walk found the imports
    assert not imported & {"time", "timeit", "datetime", "logging", "sys"}
    assert not names & {"print", "input", "display"}
