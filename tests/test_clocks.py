"""How far one clock is ahead of another, made out from answers that take a while."""

from hypothesis import example, given
from hypothesis import strategies as st

from helpers.jobqueue.clocks import Offset

times, ways = st.floats(0, 100), st.floats(0.001, 100)


def test_the_quickest_answer_counts_whenever_it_came():
    offset = Offset()
    for asked, theirs, answered in [(0.0, 99.0, 8.0), (10.0, 60.5, 11.0), (20.0, 30.0, 24.0)]:
        offset.add(asked, theirs, answered)
    assert offset.seconds == 50


def test_an_old_answer_is_forgotten():
    offset = Offset(answers=2)
    for asked, theirs, answered in [(0.0, 5.05, 0.1), (1.0, 11.5, 2.0), (3.0, 14.0, 5.0)]:
        offset.add(asked, theirs, answered)
    assert offset.seconds == 10


def test_what_may_be_no_difference_at_all_is_none():
    offset = Offset()
    offset.add(0.0, 0.9, 1.0)
    assert offset.seconds == 0


@example(1.5, [(0.0, 0.5, 0.5)])
@given(st.floats(-1e4, 1e4), st.lists(st.tuples(times, times, times), min_size=1, max_size=20))
def test_the_error_is_at_most_half_the_quickest_round_trip(ahead, answers):
    """Or a whole one where no difference is told."""
    offset = Offset(answers=20)
    for asked, there, back in answers:
        offset.add(asked, asked + there + ahead, asked + there + back)
    quickest = min(there + back for _, there, back in answers)
    most = quickest if offset.seconds == 0 else quickest / 2
    assert abs(offset.seconds - ahead) <= most + 1e-6


@given(st.lists(st.tuples(times, ways, ways), max_size=20))
def test_one_clock_is_never_ahead_of_itself(answers):
    offset = Offset()
    for asked, there, back in answers:
        offset.add(asked, asked + there, asked + there + back)
    assert offset.seconds == 0
