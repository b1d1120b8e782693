"""Two computers' clocks: how far one is ahead of the other, from its answers and how long they take."""

from collections import deque


class Offset:
    """The difference between a clock elsewhere and ours, both in seconds.

    An answer that took t seconds was given within those t seconds, so the clock elsewhere is known to t / 2,
    and best from the quickest of the last answers (Cristian, Probabilistic clock synchronization, 1989).
    """

    def __init__(self, answers: int = 16) -> None:
        """Remember so many answers, the latest: clocks drift apart with time."""
        self._known: deque[tuple[float, float]] = deque(maxlen=answers)
        self.seconds = 0.0
        """What to add to a reading of our clock to have theirs; 0 if that is within what is known."""

    def add(self, asked: float, theirs: float, answered: float) -> None:
        """Note one answer: our clock when we asked, theirs in the answer, and ours when it came."""
        self._known.append((answered - asked, theirs - (asked + answered) / 2))
        took, ahead = min(self._known)
        self.seconds = ahead if abs(ahead) > took / 2 else 0.0
