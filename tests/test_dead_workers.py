"""Which pool notices a dead worker, and which waits."""

import psutil
import pytest

from helpers.experiments import dead_workers


def test_one_kind_of_pool_notices_a_dead_worker_and_the_other_waits():
    before = set(psutil.Process().children(recursive=True))
    notices = dead_workers.notices(patience=1)
    assert set(psutil.Process().children(recursive=True)) <= before
    executor, pool = notices["ProcessPoolExecutor"], notices["Pool"]
    assert executor.noticed
    assert executor.how == "BrokenProcessPool"
    assert 0 < executor.seconds < 1
    assert not executor.takes_more
    assert not pool.noticed
    assert pool.how == "still waiting after 1 s"
    assert pool.seconds > 0.9
    assert pool.takes_more


@pytest.mark.parametrize("patience", [0, -1, 11])
def test_patience_is_a_short_time(patience):
    with pytest.raises(ValueError, match="patience: "):
        dead_workers.notices(patience)
