"""An argument that is no number within its limits is named, with what was expected."""

import pytest

from helpers import checks


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, "2", None])
def test_what_is_no_whole_number_from_one_is_refused(wrong):
    with pytest.raises(ValueError, match=f"^jobs: expected a whole number of at least 1, got {wrong!r}$"):
        checks.whole(workers=1, jobs=wrong)


def test_limits_are_named():
    checks.whole(0, 5, crash_at=0, clients=5)
    with pytest.raises(ValueError, match=r"^clients: expected a whole number from 0 to 5, got 6$"):
        checks.whole(0, 5, clients=6)


@pytest.mark.parametrize("wrong", [-0.1, 10.1, "0.05", None, True, float("nan")])
def test_what_is_no_number_of_seconds_within_limits_is_refused(wrong):
    checks.seconds(0, 10, delay=0, greylist=10.0)
    with pytest.raises(ValueError, match=f"^delay: expected 0 to 10 seconds, got {wrong!r}$"):
        checks.seconds(0, 10, delay=wrong)
