"""What a worker can do, by name: one of these functions, or one of a module that the worker allows."""

import contextlib
import importlib.util
import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from helpers.show import short


def square(n: float) -> float:
    """Return n * n."""
    return n * n


OF_JOBS = ("pi_sum", "pi_digits", "hash_bytes", "hash_file", "fetch", "send_mail", "write_durably", "crash")
"""The functions of ``jobs`` that a worker knows."""

FUNCTIONS = (square.__name__, *OF_JOBS)
"""The names of all that a worker knows."""

_OF_A_MODULE = re.compile(r"[\w.]+:\w+")
_read: dict[str, float] = {}  # by module that was allowed: when its file had been changed as it was read


def find(name: str) -> Callable[..., Any]:
    """Return the function of this name. Raises ValueError that lists the names for any other."""
    if name == square.__name__:
        return square
    if name not in FUNCTIONS:
        raise ValueError(
            f"function: expected one of {', '.join(FUNCTIONS)}, or module:function, got {short(name)}"
        )
    from helpers import jobs  # only here: a client, which has to know the names, need not wait for the import

    found: Callable[..., Any] = getattr(jobs, name)
    return found


def check_name(name: str) -> None:
    """Check that a task may name this function; whether there is one of a module, its worker finds out.

    Raises ValueError.
    """
    if name not in FUNCTIONS and not (isinstance(name, str) and _OF_A_MODULE.fullmatch(name)):
        find(name)


def allow(modules: Collection[str]) -> None:
    """Import modules whose functions this worker may run, from its folder or its path. Raises ImportError."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    sys.dont_write_bytecode = True  # nothing is left beside the file of whoever is trying things out
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec and spec.cached:  # Python may take a file changed within a second for the one it has compiled
            with contextlib.suppress(OSError):
                Path(spec.cached).unlink()
        importlib.import_module(module)
        _read[module] = _changed(module)


def load(name: str) -> Callable[..., Any]:
    """Return the function of a task in a worker: one of ours, or one of a module that was allowed.

    Raises PermissionError for a module that was not, ValueError for a function that is not there.
    """
    if ":" not in name:
        return find(name)
    module, _, function = name.partition(":")
    if module not in _read:
        raise PermissionError(
            f"{name}: this worker was not started to allow {module}: start it with --allow {module}, "
            f'or by launch_workers(master, allow=["{module}"])'
        )
    found = getattr(sys.modules[module], function, None)
    if not callable(found):
        raise ValueError(f"{name}: there is no such function in {module}; launch workers after writing it")
    return found  # type: ignore[no-any-return]


def is_stale(name: str) -> bool:
    """Tell whether the file of a function's module has changed since this worker has read it."""
    module, colon, _ = name.partition(":")
    return bool(colon) and module in _read and _changed(module) != _read[module]


def _changed(module: str) -> float:
    try:
        return Path(sys.modules[module].__file__ or "").stat().st_mtime
    except OSError:
        return 0.0
