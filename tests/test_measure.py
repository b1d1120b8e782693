"""Fair comparisons: the figures of a speed-up, and when the repetitions stop."""

import multiprocessing
import os
import subprocess
import sys
import threading
from functools import partial
from types import SimpleNamespace

import pytest

from helpers import measure

QUICK = [partial(sum, range(100))] * 3


def test_figures_of_a_speedup():
    point = measure.Speedup("threads", 2, (1.5, 0.5, 4.0, 2.5))
    assert (point.low, point.median, point.high) == (0.5, 2.0, 4.0)


def test_speedups_has_a_point_for_each_way_and_number_of_workers():
    points = measure.speedups(QUICK, ("threads", "processes"), (1, 2), rounds=4)
    expected = [("threads", 1), ("threads", 2), ("processes", 1), ("processes", 2)]
    assert [(point.way, point.workers) for point in points] == expected
    assert len({len(point.ratios) for point in points}) == 1
    assert len(points[0].ratios) in (3, 4)
    assert all(ratio > 0 for point in points for ratio in point.ratios)


@pytest.mark.parametrize(("rounds", "done"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_speedups_stops_after_its_rounds_or_after_three_when_time_is_over(rounds, done):
    (point,) = measure.speedups(QUICK, ("threads",), (1,), rounds=rounds, seconds=0)
    assert len(point.ratios) == done


def leave_a_mark(folder):
    (folder / f"{os.getpid()} {threading.get_native_id()}").touch()


@pytest.mark.parametrize("way", ["threads", "processes"])
def test_speedups_compares_serial_with_the_way_it_names(tmp_path, way):
    measure.speedups([partial(leave_a_mark, tmp_path)] * 3, (way,), (1,), rounds=1)
    marks = {mark.name for mark in tmp_path.iterdir()}
    mine = f"{os.getpid()} {threading.get_native_id()}"
    assert mine in marks
    (other,) = marks - {mine}
    assert other.startswith(f"{os.getpid()} ") == (way == "threads")


def test_weak_scaling_gives_each_worker_the_same_number_of_jobs(tmp_path):
    points = measure.weak_scaling(partial(leave_a_line, tmp_path / "lines"), "threads", (2, 3), 4, rounds=2)
    assert [(point.way, point.workers, len(point.ratios)) for point in points] == [
        ("threads", 2, 2), ("threads", 3, 2)
    ]  # fmt: skip
    assert points[0].ratios == pytest.approx((2.0, 2.0))
    assert min(points[1].ratios) > 0
    assert len((tmp_path / "lines").read_text()) == 2 * (2 * 4 + 3 * 4)


def leave_a_line(file):
    with file.open("a") as lines:
        lines.write("x")


@pytest.mark.parametrize("wrong", [{"workers": []}, {"jobs_each": 0}, {"rounds": 0}])
def test_weak_scaling_refuses_to_compare_nothing(wrong):
    with pytest.raises(ValueError, match="at least one number of workers, one job each and one round"):
        measure.weak_scaling(**{"job": QUICK[0], "way": "threads", "workers": [1], **wrong})


@pytest.mark.parametrize("wrong", [{"jobs": []}, {"workers": []}, {"rounds": 0}])
def test_speedups_refuses_to_compare_nothing(wrong):
    with pytest.raises(ValueError, match="at least one job, one number of workers and one round"):
        measure.speedups(**{"jobs": QUICK, **wrong})


@pytest.mark.parametrize(
    ("wrong", "text"), [({"way_names": ["magic"]}, "way: "), ({"workers": [0]}, "workers: ")]
)
def test_speedups_refuses_what_no_pool_can_be(wrong, text):
    with pytest.raises(ValueError, match=text):
        measure.speedups(QUICK, **wrong)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes only when it is told to."""
    fake = SimpleNamespace(now=100.0)
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: fake.now))
    return fake


def experiment(clock, results):
    """Take a second for each run; the results come one after another."""
    runs = iter(results)

    def run():
        clock.now += 1.0
        return next(runs)

    return run, runs


def test_again_stops_at_the_first_good_result(clock):
    run, left = experiment(clock, ["bad", "good", "better"])
    assert measure.again(run, lambda result: result != "bad", seconds=60) == "good"
    assert list(left) == ["better"]


def test_again_stops_when_time_is_over_with_the_last_result(clock):
    run, left = experiment(clock, range(10))
    assert measure.again(run, lambda result: False, seconds=3) == 2
    assert next(left) == 3


@pytest.mark.parametrize("seconds", [0, -1])
def test_again_runs_at_least_once(clock, seconds):
    run, left = experiment(clock, ["bad", "good"])
    assert measure.again(run, lambda result: result == "good", seconds=seconds) == "bad"
    assert list(left) == ["good"]


def test_start_costs_has_every_kind(capfd, recwarn):
    costs = measure.start_costs(rounds=2)
    assert list(costs) == ["thread", *multiprocessing.get_all_start_methods()]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in costs.values())
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_the_program_that_times_the_starts_gives_no_warning():
    """Forking a program that has threads would be one, from Python 3.12 on."""
    program = "from helpers import measure; measure.print_start_costs(1)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_start_costs_shows_why_its_program_failed(monkeypatch, tmp_path):
    (tmp_path / "helpers.py").write_text("raise ImportError('these are other helpers')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match="these are other helpers"):
        measure.start_costs(1)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2"])
def test_start_costs_refuses_a_wrong_number_of_rounds(wrong):
    with pytest.raises(ValueError, match=f"rounds: expected a whole number of at least 1, got {wrong!r}"):
        measure.start_costs(wrong)
