"""A span's way home: what the worker noted, on the clock of whoever reads it."""

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.jobqueue import reports
from helpers.traces import Span, Trace, Worker

HERE = Worker(os.getpid(), 7)
SPAN = Span(0, HERE, 100.0, 101.0, 103.0, 103.0, 1.5, ((101.5, 0.4), (102.0, 0.8)), "value", None)


def home(
    span, *, worker_ahead=0.0, client_ahead=0.0, given=0.0, back=1000.0, name=None, unpack=reports.unpack
):
    """Send a span home. Both clocks are so many seconds behind the master's."""
    clocked = (span.started, span.finished, span.cpu, span.samples, span.value, span.error)
    sent = reports.pack(clocked, span.worker.thread, worker_ahead)
    error, report = pickle.loads(pickle.dumps(sent))
    return unpack(5, name or reports.my_name(), report, error, given, back, client_ahead)


def test_a_span_comes_home_as_it_was():
    span = home(SPAN)
    assert span == Span(5, HERE, 0.0, 101.0, 103.0, 1000.0, 1.5, SPAN.samples, "value", None)


def test_times_are_moved_to_the_clock_of_the_client():
    span = home(SPAN, worker_ahead=50.0, client_ahead=-20.0, given=160.0, back=180.0)
    assert (span.given, span.started, span.finished, span.returned) == (160, 171, 173, 180)
    assert span.samples == ((171.5, 0.4), (172.0, 0.8))


@given(*[st.floats(-1e3, 1e3)] * 2, st.floats(0, 200), st.floats(0, 200))
def test_a_span_ran_between_when_it_was_given_and_when_it_came_back(worker_ahead, client_ahead, given, takes):
    span = home(SPAN, worker_ahead=worker_ahead, client_ahead=client_ahead, given=given, back=given + takes)
    readings = [span.given, span.started, *(time for time, _ in span.samples), span.finished, span.returned]
    assert readings == sorted(readings)
    assert Trace("processes", (span,), (span.worker,), 1).wall == pytest.approx(takes)


def test_a_worker_is_known_by_its_computer_and_its_process():
    assert home(SPAN).worker.host == ""
    names = {"there:12": ("there", 12), "there:12#3": ("there", 12), "fe80::1:12": ("fe80::1", 12)}
    found = {name: home(SPAN, name=name).worker for name in names}
    assert {name: (worker.host, worker.pid) for name, worker in found.items()} == names


def test_a_task_whose_worker_died_has_an_error_and_no_time_at_work():
    span = reports.unpack(5, "there:12", None, "no heartbeat", 1.0, 9.0, 3.0)
    assert span == Span(5, Worker(12, 0, "there"), 1.0, 9.0, 9.0, 9.0, 0.0, error="no heartbeat")


def test_a_value_comes_home_without_its_times():
    value = home(SPAN, name="there:12#3", unpack=reports.unpack_value)
    assert value == (5, "there:12#3", "value", None)
    lost = reports.unpack_value(5, "there:12", None, "no heartbeat", 1.0, 9.0, 3.0)
    assert lost == (5, "there:12", None, "no heartbeat")


def test_an_error_comes_home():
    failed = Span(0, HERE, 1, 2, 3, 3, 0.5, error="ZeroDivisionError: division by zero")
    assert home(failed).error == failed.error


class Home:
    """Can be sent and not be read, or not even be sent."""

    def __init__(self, sent):
        self.sent = sent

    def __getstate__(self):
        if not self.sent:
            raise OSError("not today")
        return {"sent": True}

    def __setstate__(self, state):
        raise ValueError("not here")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Home(sent=False), "the result cannot be sent: OSError: not today"),
        (Home(sent=True), "the result cannot be read here: ValueError: not here"),
    ],
)
def test_a_value_that_cannot_travel_is_an_error(value, error):
    failed = Span(0, HERE, 1, 2, 3, 3, 0.5, value=value)
    span = home(failed)
    assert (span.value, span.error) == (None, error)
    assert home(failed, unpack=reports.unpack_value)[2:] == (None, error)


@pytest.mark.parametrize("many", [0, 1, 200, 201, 100_000])
def test_a_report_stays_small(many):
    samples = tuple((101 + n / many, n * 1e-6) for n in range(many))
    sent = home(Span(0, HERE, 100.0, 101.0, 103.0, 103.0, 1.5, samples)).samples
    if many < 200:
        assert sent == samples
    else:
        assert 100 <= len(sent) <= 200
        assert set(sent) <= set(samples)
        assert sent[0] == samples[0]
