"""How figures are written in words, and what is said about data that cannot be drawn."""

import math
from collections.abc import Collection, Iterable
from typing import Any

UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
"""Seconds in a unit of time."""


def unit(seconds: float) -> str:
    """Return the largest unit of time, from "s" down to "ns", that a duration has at least one of."""
    return next((name for name, size in UNITS.items() if abs(seconds) >= size), "ns")


def human(seconds: float) -> str:
    """Write a duration with two figures or more, in the unit that fits: "1.3 ms", "42 s"."""
    name = unit(seconds) if seconds else "s"
    return f"{short(seconds / UNITS[name])} {name}"


def short(number: float) -> str:
    """Write a number with two figures or more: "0.12", "1.0", "42", "12,300"."""
    if abs(number) >= 9.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 1 else f"{number:.2g}"


def count(number: int, noun: str) -> str:
    """Write how many: "1 job", "8 jobs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tick(seconds: float) -> str:
    """Write a power of ten of seconds, as on an axis: "100 µs"."""
    name = unit(1.01 * seconds)  # 1e-3 may come out of the axis' arithmetic a hair too small
    return f"{seconds / UNITS[name]:,g} {name}"


def check_kind(name: str, items: Iterable[object], kind: Any) -> None:
    """Raise TypeError unless all items are of a kind."""
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(
                f"{name}: expected {kind.__name__ if isinstance(kind, type) else 'numbers'}, got {item!r}"
            )


def check_dict(name: str, items: Any, kind: Any) -> None:
    """Raise TypeError unless it is a dict with values of a kind, ValueError if it is empty."""
    check_kind(name, [items], dict)
    if not items:
        raise ValueError(f"{name}: expected at least one item, got an empty dict")
    check_kind(name, items.values(), kind)


def check_positive(name: str, numbers: Collection[Any]) -> None:
    """Raise ValueError unless there are numbers, all above 0 and finite; TypeError for what is no number."""
    if not numbers:
        raise ValueError(f"{name}: expected at least one number, got none")
    for number in numbers:
        check_kind(name, [number], float | int)
        if not 0 < number < math.inf:
            raise ValueError(f"{name}: expected numbers above 0, got {number!r}")
