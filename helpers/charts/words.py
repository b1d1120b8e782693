"""How figures are written in words, and what is said about data that cannot be drawn."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import UnionType
from typing import Any

from helpers import show

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
    """Write a number with two figures or more: "0.12", "1.0", "42", "12,300"; a whole one (int) exactly."""
    if abs(number) >= 9.95 or isinstance(number, int):
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 1 else f"{number:.2g}"


def compact(number: float) -> str:
    """Write a number of any size in five characters or so: "0.12", "9,999", "12k", "1.0M"."""
    sizes = (("G", 1e9, 999.5e6), ("M", 1e6, 999.5e3), ("k", 1e3, 9999.5))
    letter, size = next(((name, size) for name, size, least in sizes if number >= least), ("", 1))
    return f"{short(number / size)}{letter}" if letter else short(number)


def plain(number: float) -> str:
    """Write a round number of any size, as on an axis: "0.5", "1", "2500", "20k"."""
    return f"{number:g}" if number < 9999.5 else compact(number)


def count(number: int, noun: str, nouns: str = "") -> str:
    """Write how many: "1 job", "8 jobs"; ``nouns`` is the plural if it is not the noun and an s."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def tick(seconds: float) -> str:
    """Write a power of ten of seconds, as on an axis: "100 µs"."""
    name = unit(1.01 * seconds)  # 1e-3 may come out of the axis' arithmetic a hair too small
    return f"{seconds / UNITS[name]:,g} {name}"


def data(size: float) -> str:
    """Write a number of bytes in the unit that fits: "68 bytes", "10 kB", "1.5 MB"."""
    name, unit = next(((n, u) for n, u in (("MB", 1e6), ("kB", 1e3)) if size > 0.999 * u), ("bytes", 1))
    number = size / unit
    return f"{number:,.0f} {name}" if number >= 99.5 else f"{number:.2g} {name}"


Kind = type | UnionType
"""What ``isinstance`` takes."""


def check_kind(name: str, items: Iterable[object], kind: Kind) -> None:
    """Raise TypeError unless all items are of a kind."""
    for item in items:
        if not isinstance(item, kind):
            what = kind.__name__ if isinstance(kind, type) else "numbers"
            raise TypeError(f"{name}: expected {what}, got {show.short(item)}")


def check_dict(name: str, items: Mapping[Any, object], kind: Kind) -> None:
    """Raise TypeError unless it is a dict with values of a kind, ValueError if it is empty."""
    check_kind(name, [items], dict)
    if not items:
        raise ValueError(f"{name}: expected at least one item, got an empty dict")
    check_kind(name, items.values(), kind)


def check_positive(name: str, numbers: Collection[Any], *, zero: bool = False) -> None:
    """Raise ValueError unless there are numbers, all above 0 and finite; TypeError for what is no number.

    With ``zero``, numbers may be 0 too.
    """
    if not numbers:
        raise ValueError(f"{name}: expected at least one number, got none")
    for number in numbers:
        check_kind(name, [number], float | int)
        if not (0 < number < math.inf or (zero and number == 0)):
            raise ValueError(
                f"{name}: expected numbers {'of at least' if zero else 'above'} 0, got {show.short(number)}"
            )


def check_length(name: str, items: Any, length: int) -> None:
    """Raise TypeError unless items are in a list or the like, ValueError unless there are so many."""
    if not isinstance(items, Sequence):
        raise TypeError(f"{name}: expected a list, got {show.short(items)}")
    if len(items) != length:
        raise ValueError(f"{name}: expected {count(length, 'number')}, got {len(items)}")
