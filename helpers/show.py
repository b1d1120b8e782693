"""A function's real source as a cell's output, so that no notebook holds a copy that can grow old."""

import inspect
from collections.abc import Callable
from typing import Any

from IPython.display import Code, display


def source(thing: Callable[..., Any] | type) -> None:
    """Show the source of a function or class, highlighted. Raises TypeError for anything else."""
    if not (inspect.isfunction(thing) or inspect.isclass(thing)):
        raise TypeError(f"thing: expected a function or a class, got {thing!r}")
    display(Code(inspect.getsource(thing), language="python"))  # type: ignore[no-untyped-call]
