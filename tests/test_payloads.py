"""What a task carries: its bytes by either way, the same digests, and no file left behind."""

import hashlib

import pytest

from helpers import jobqueue
from helpers.experiments import payloads


@pytest.fixture(scope="module")
def master():
    with jobqueue.launch_master() as master, jobqueue.launch_workers(master):
        yield master


def test_both_ways_give_the_digest_of_the_file(master, tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(bytes(range(256)) * 400)
    trips = payloads.both_ways(master, log)
    assert {trip.digest for trip in trips.values()} == {hashlib.sha256(log.read_bytes()).hexdigest()}
    assert all(trip.seconds > 0 for trip in trips.values())


def test_a_comparison_has_a_figure_for_each_way_and_size(master, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = payloads.compare(master, [100, 10_000, 1_000_000])
    assert found.sizes == [100, 10_000, 1_000_000]
    for figures in (found.weights, found.times, found.digests):
        assert {way: len(row) for way, row in figures.items()} == {"content": 3, "path": 3}
    assert found.digests["content"] == found.digests["path"]
    assert found.digests["path"][0] == hashlib.sha256(b"GET / 200\n" * 10).hexdigest()
    assert all(weight > size for weight, size in zip(found.weights["content"], found.sizes, strict=True))
    assert max(found.weights["path"]) < 10_000
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_fails_is_no_trip(master, tmp_path):
    with pytest.raises(jobqueue.TaskFailed, match="FileNotFoundError"):
        payloads._send(master, "hash_file", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("sizes", [[], [9]])
def test_arguments_that_make_no_sense(sizes):
    with pytest.raises(ValueError, match="sizes: expected some of 10 bytes or more"):
        payloads.compare(None, sizes)


def test_a_race_tells_how_much_longer_the_content_takes(master, monkeypatch):
    seconds = {"hash_bytes": 3.0, "hash_file": 1.0}
    monkeypatch.setattr(payloads, "_send", lambda _, way, thing: payloads.Trip(0, seconds[way], way))
    assert payloads.race(master, 100).median == 3.0
    assert payloads.race(master, 100).above is True
    assert payloads.race(master, 100, bound=4.0).above is False


def test_a_race_needs_a_file(master):
    with pytest.raises(ValueError, match="size: expected a whole number of at least 10"):
        payloads.race(master, 9)
