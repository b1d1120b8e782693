"""The same sum in Python, NumPy and machine code; who can run while the machine code does."""

import math
import os
import subprocess
import sys
import threading
import time
from functools import partial
from itertools import pairwise

import pytest

from helpers import jobs, machine, measure, ways
from helpers.experiments import compiled

needs_numba = pytest.mark.skipif(bool(compiled.lacks()), reason=compiled.lacks())
SUMS = [compiled.pi_sum_numpy]
COMPILED = [compiled.pi_sum_compiled, compiled.pi_sum_compiled_with_gil]
if not compiled.lacks():
    SUMS += COMPILED


@pytest.mark.parametrize("terms", [1, 2, 399, 99_999, 100_000, 100_001, 400_000])
@pytest.mark.parametrize("job", SUMS)
def test_the_sum_is_the_same(job, terms):
    assert job(terms) == pytest.approx(jobs.pi_sum(terms), rel=1e-12)
    assert type(job(terms)) is float


@needs_numba
def test_machine_code_adds_in_the_same_order():
    assert {job(123_456) for job in COMPILED} == {jobs.pi_sum(123_456)}


@pytest.mark.parametrize("job", SUMS)
def test_the_default_is_the_size_of_the_python_job(job):
    assert math.pi - job() == pytest.approx(math.pi - jobs.pi_sum(), rel=1e-3)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "10", None])
@pytest.mark.parametrize("job", [compiled.pi_sum_numpy, *COMPILED])
def test_a_wrong_number_is_refused_by_name(job, wrong):
    with pytest.raises(ValueError, match=f"terms: expected a whole number of at least 1, got {wrong!r}"):
        job(wrong)


def test_a_process_can_do_the_sums():
    assert ways.run([partial(job, 1) for job in SUMS], "processes").values == [4.0] * len(SUMS)


@needs_numba
def test_machine_code_can_be_looked_at():
    calls = []
    compiled.pi_sum_compiled(250_000, tick=lambda: calls.append(None))
    assert len(calls) == 3


def watched(add, terms):
    """Have a thread add that many terms by machine code, and look at the clock in this one meanwhile.

    Returns the number of looks, and the longest time between two as a share of the machine code's CPU time.
    """
    cpu, looks = [], [time.perf_counter()]

    def work():
        began = time.thread_time()
        add(0.0, 0, terms)
        cpu.append(time.thread_time() - began)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        time.sleep(0.001)
        looks.append(time.perf_counter())
    return len(looks), max(after - before for before, after in pairwise(looks)) / cpu[0]


@needs_numba
@pytest.mark.skipif(not machine.gil(), reason="needs an interpreter with the GIL")
def test_only_the_one_that_releases_the_gil_lets_others_run():
    """While the GIL is kept nobody looks, so the silence is at least as long as the machine code takes.

    A busy computer makes silences too, but not one as long as all of the other's work.
    """
    _, silence = watched(compiled._with_gil, 300_000_000)
    assert silence > 0.9
    looks, silence = watched(compiled._without_gil, 400_000_000)
    assert looks > 10
    assert silence < 0.9


@needs_numba
@pytest.mark.skipif(bool(machine.lacks(cores_needed=2)), reason=machine.lacks(cores_needed=2))
def test_two_threads_keep_two_cores_busy_without_the_gil_and_one_with_it():
    """Processes show whether two cores are to be had at all at the moment.

    A reading of the clocks may be disturbed, but not in every run.
    """
    free = [partial(compiled.pi_sum_compiled, 80_000_000)] * 2
    held = [partial(compiled.pi_sum_compiled_with_gil, 80_000_000)] * 2
    if machine.gil():
        in_turns = measure.again(partial(ways.run, held, "threads", 2), lambda run: run.peak_cores_busy < 1.3)
        assert in_turns.peak_cores_busy < 1.3
    end, had = time.perf_counter() + 4, 0
    with ways.pool("threads", 2) as by_threads, ways.pool("processes", 2) as by_processes:
        while by_threads(free).peak_cores_busy < 1.5:
            had += by_processes(free).peak_cores_busy >= 1.5
            if had >= 8:
                pytest.fail("two processes had two cores eight times, two threads never")
            if time.perf_counter() > end:
                pytest.skip("two cores were not free at any moment")


def run_elsewhere(program, **env):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60)


@needs_numba
def test_where_nothing_can_be_kept_it_is_compiled_at_every_import():
    """The only place that Numba may look for is inside a zip file, and there is none."""
    program = "from helpers.experiments import compiled as c; print(c.pi_sum_compiled(1), c._with_gil.stats)"
    done = run_elsewhere(program, NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator")
    assert done.stdout.startswith("4.0 ")
    assert "cache_path=None" in done.stdout
    assert done.stderr == ""


@needs_numba
def test_what_is_kept_is_used_again_and_stays_apart(tmp_path):
    """Numba would take the code kept for one value of nogil for the other's, if the function were one."""
    program = "from helpers.experiments import compiled as c; print(c._without_gil.stats, c._with_gil.stats)"
    first, again = (run_elsewhere(program, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert first.stdout.count("cache_misses=Counter({'float64") == 2, first.stderr
    assert again.stdout.count("cache_hits=Counter({'float64") == 2, again.stderr
    assert len(list(tmp_path.rglob("*.nbi"))) == 2


def test_without_numba_the_rest_works_and_it_says_so():
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from helpers.experiments import compiled\n"
        "print(compiled.pi_sum_numpy(1), compiled.lacks())\n"
        "try: compiled.pi_sum_compiled(1)\n"
        "except RuntimeError as error: print(error)"
    )
    text = "needs Numba, which is not installed here"
    assert run_elsewhere(program).stdout.splitlines() == [f"4.0 {text}", text]


def test_a_compiler_is_one_that_compiles(tmp_path):
    if compiler := compiled.c_compiler():
        source, library = tmp_path / "one.c", tmp_path / "one.so"
        source.write_text("int one(void) { return 1; }")
        subprocess.run([compiler, "-O3", "-shared", "-fPIC", source, "-o", library], check=True)
        assert library.exists()
    assert bool(compiler) != bool(compiled.lacks_c())


@pytest.mark.skipif(os.name != "posix", reason="a program is a file with a mark there")
def test_what_does_not_run_is_no_compiler(monkeypatch, tmp_path):
    """As the ``cc`` of a Mac without Apple's tools; the next name may be a good one."""
    for name, code in (("cc", 1), ("gcc", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiled.c_compiler() == str(tmp_path / "gcc")
    (tmp_path / "gcc").write_text("no program")
    assert compiled.c_compiler() == ""
    assert compiled.lacks_c() == "needs a C compiler on the PATH, such as gcc"


@pytest.mark.parametrize(
    ("name", "lacks"),
    [("scipy-openblas", False), ("mkl-dynamic", False), ("accelerate", True), ("", True)],
)
def test_only_libraries_that_use_threads_are_said_to(monkeypatch, name, lacks):
    settings = {"Build Dependencies": {"blas": {"name": name}}}
    monkeypatch.setattr("numpy.show_config", lambda mode: settings if name else {})
    assert compiled.lacks_threads() == ("needs NumPy with OpenBLAS or MKL" if lacks else "")
