"""What the notebooks show of the code is the code itself."""

import inspect
from dataclasses import replace

import pytest

from helpers import charts, claims, jobqueue, jobs, measure, servers, show, ways
from helpers.experiments import chaos
from helpers.servers import Load
from helpers.traces import Span, Trace, Worker


@pytest.mark.parametrize("thing", [jobs.pi_sum, pytest.MonkeyPatch])
def test_the_real_source_is_shown(thing, capsys):
    show.source(thing)
    assert inspect.getsource(thing) in capsys.readouterr().out


def test_the_real_source_of_a_program_is_shown(tmp_path, capsys):
    program = tmp_path / "a.py"
    program.write_text("x = 'ä'\n", "utf-8")
    show.program(program)
    assert capsys.readouterr().out.strip() == "x = 'ä'"
    with pytest.raises(FileNotFoundError):
        show.program(tmp_path / "b.py")


def test_a_method_is_shown_without_its_class_s_margin(capsys):
    show.source(jobqueue.Board.heartbeat)
    assert capsys.readouterr().out.startswith("def heartbeat(self")


def test_no_line_of_the_source_is_broken(monkeypatch):
    """JupyterLab breaks lines anywhere, so that the element itself must say what is to be done."""
    caught = []
    monkeypatch.setattr("IPython.display.display", caught.append)
    show.source(jobs.pi_sum)
    html = caught[0]._repr_html_()
    assert html.count("<pre") == 1
    assert '<pre style="white-space: pre; word-break: normal; overflow-x: auto">' in html


@pytest.mark.parametrize("thing", [3, "pi_sum", len, jobs])
def test_anything_else_is_refused(thing):
    with pytest.raises(TypeError, match="thing: expected a function or a class"):
        show.source(thing)


class Broken:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        ("a\nb", r"'a\nb'"),
        (b"x" * 100_000, "100,000 bytes"),
        (10**5000, "<int of 16,610 bits>"),
        ([10**5000, 7], "[<int of 16,610 bits>, 7]"),
        (Broken(), "<Broken instance>"),
        (object(), "<object object>"),
    ],
    ids=["number", "text", "file", "large", "large inside", "broken", "object"],
)
def test_a_value_in_short_is_the_same_on_every_run(value, text):
    assert show.short(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, list(range(10**6)), dict.fromkeys(range(999), "y" * 999)],
    ids=["text", "list", "dict"],
)
def test_a_value_in_short_is_short(value):
    assert len(show.short(value)) < 400


# --- What a notebook shows of things, and errors quote of them ----------------------------------------

MANY = list(range(100_000))
TRACE = Trace("threads", tuple(Span(n, Worker(1, n), n, n, n + 1, n + 1, 0.5) for n in range(1000)), (), 1)


@pytest.mark.parametrize(
    "thing",
    [
        TRACE,
        replace(TRACE.spans[0], samples=tuple((n, n) for n in range(1000))),
        measure.Speedup("threads", 2, (1.5,) * 1000),
        measure.Comparison((1.5,) * 1000, 1.0),
        Load((0.01,) * 1000, 3, 1.5, frozenset([1, 2])),
        chaos.Run(TRACE, tuple(MANY), tuple(MANY), {}),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_a_thing_of_many_parts_is_shown_in_a_line(thing):
    assert len(repr(thing)) < 250
    assert "\n" not in repr(thing)


@pytest.mark.parametrize(
    "call",
    [
        lambda: charts.bars(TRACE, "title", axis="tasks"),
        lambda: charts.timelines([TRACE] * 1000, "title"),
        lambda: charts.throughput(MANY, "title"),
        lambda: charts.timeline(MANY, "title"),
        lambda: ways.run({n: n for n in MANY}, "threads"),
        lambda: ways.run([MANY], "threads"),
        lambda: ways.run([abs], str(MANY)),
        lambda: measure.compare(MANY, MANY, 1),
        lambda: measure.speedups([abs], workers=TRACE),
        lambda: jobqueue.launch_workers(MANY),
        lambda: jobqueue.Client("h", 1, MANY),
        lambda: jobs.fetch("x" * 100_000),
        lambda: jobs.send_mail(("x" * 100_000, *"abcde")),
        lambda: claims.check(str(MANY), "words", True),
        lambda: claims.check("F1", str(MANY), True),
        lambda: show.source(MANY),
    ],
)
def test_an_error_cuts_what_it_quotes(call):
    with pytest.raises((TypeError, ValueError)) as told:
        call()
    assert len(str(told.value)) < 300


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: measure.weak_scaling(abs, "threads", 4), "workers: expected a list of whole numbers, got 4"),
        (lambda: measure.speedups([abs], workers=2), "workers: expected a list of whole numbers, got 2"),
        (lambda: jobqueue.launch_workers(2), "master: expected a master or a client of one, got 2"),
        (lambda: jobqueue.launch_master(lease="1"), "expected a lease over 0 s"),
        (lambda: servers.slow(delay="0.05").__enter__(), "delay: expected 0 to 10 seconds, got '0.05'"),
        (
            lambda: jobs.fetch(servers.slow()),
            "url: expected http://host/path, got <contextlib._Gen",
        ),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_arguments_that_are_no_list_are_named():
    with jobqueue.launch_master() as master, pytest.raises(TypeError, match="expected a list, one for each"):
        master.run("pi_sum", 300_000)
