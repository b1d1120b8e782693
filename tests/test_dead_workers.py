"""Which pool notices a dead worker, and which waits."""

import psutil

from helpers.experiments import dead_workers


def test_one_kind_of_pool_notices_a_dead_worker_and_the_other_waits():
    before = set(psutil.Process().children(recursive=True))
    notices = dead_workers.notices()
    assert set(psutil.Process().children(recursive=True)) <= before
    executor, pool = notices["ProcessPoolExecutor"], notices["Pool"]
    assert executor.noticed
    assert executor.how == "BrokenProcessPool"
    assert not pool.noticed
    assert pool.how == "still waiting after 1.5 s"
