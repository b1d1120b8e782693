"""What the notebooks show of the code is the code itself."""

import inspect

import pytest

from helpers import jobs, show


@pytest.mark.parametrize("thing", [jobs.pi_sum, pytest.MonkeyPatch])
def test_the_real_source_is_shown(thing, capsys):
    show.source(thing)
    assert inspect.getsource(thing) in capsys.readouterr().out


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
