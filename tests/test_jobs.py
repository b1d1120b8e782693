"""The jobs do what they say, for any caller: in a thread, in a process, with or without an observer."""

import ast
import asyncio
import hashlib
import math
import os
import socket
import subprocess
import sys
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
    [(jobs.pi_sum, 1201, 4), (jobs.pi_digits, 100, 100), (jobs.hash_block, 2, 8)],
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


@pytest.mark.parametrize("megabytes", [1, 3])
def test_hash_block_agrees_with_hashlib(megabytes):
    assert jobs.hash_block(megabytes) == hashlib.sha256(bytes(megabytes * 2**20)).hexdigest()


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


def test_fetch_async_says_that_nothing_answers_or_too_little():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n")
        writer.close()

    async def fetch_twice():
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(OSError, match="the answer broke off"):
            await jobs.fetch_async(url)
        server.close()
        with pytest.raises(OSError, match=r"Connect call failed|refused"):
            await jobs.fetch_async(url)

    asyncio.run(fetch_twice())


@pytest.mark.parametrize("wrong", ["https://127.0.0.1/", "file:///etc/hosts", "127.0.0.1:80", ""])
def test_fetch_refuses_what_is_not_http(wrong):
    with pytest.raises(ValueError, match=f"url: expected http://host/path, got {wrong!r}"):
        jobs.fetch(wrong)
    with pytest.raises(ValueError, match=f"url: expected http://host/path, got {wrong!r}"):
        asyncio.run(jobs.fetch_async(wrong))


@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_write_durably_leaves_nothing(tmp_path, size):
    assert jobs.write_durably(tmp_path, size) == size
    assert list(tmp_path.iterdir()) == []


def test_write_durably_says_which_folder_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        jobs.write_durably(tmp_path / "nowhere")


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "10", None])
@pytest.mark.parametrize("name", ["terms", "digits", "megabytes", "size"])
def test_a_wrong_number_is_refused_by_name(tmp_path, name, wrong):
    by_name = {"terms": jobs.pi_sum, "digits": jobs.pi_digits, "megabytes": jobs.hash_block}
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
