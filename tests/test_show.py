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
