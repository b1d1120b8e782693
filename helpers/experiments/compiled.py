"""The sum of ``jobs.pi_sum`` in two faster languages: NumPy's arrays, and machine code that Numba compiles.

The third, C, is written and compiled in chapter 02b itself; here is only who can compile it. This room is
apart from ``jobs`` because NumPy and Numba take a while to import. The machine code is made while this module
is imported, and kept on disk where there is a place for it, so that no measurement of the functions counts
it. Where Numba is not installed, as there is none for this computer, ``lacks`` says so.
"""

import shutil
import subprocess
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from helpers import checks
from helpers.jobs import Tick, _no_tick

try:
    from numba import njit
except ImportError:  # such as on a Mac with an Intel processor: pyproject.toml says where
    njit = None

Piece = Callable[[float, int, int], float]

_PIECE = 100_000  # terms, about 0.1 ms of machine code: so often can somebody look at the clock


def lacks() -> str:
    """Say in a few words why nothing can be compiled here; "" when it can. For the ``needs`` of a claim."""
    return "" if njit else "needs Numba, which is not installed here"


def c_compiler() -> str:
    """Return the path of a C compiler that takes gcc's options, "" where there is none.

    A command that does not run is none: a Mac without Apple's tools has a ``cc`` that only asks for them.
    """
    for name in ("cc", "gcc", "clang"):
        if (found := shutil.which(name)) and not _exit_code(found, "--version"):
            return found
    return ""


def _exit_code(*command: str) -> int:
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode
    except (OSError, subprocess.TimeoutExpired):
        return -1


def lacks_c() -> str:
    """Say in a few words that no C can be compiled here; "" when it can. For the ``needs`` of a claim."""
    return "" if c_compiler() else "needs a C compiler on the PATH, such as gcc"


def lacks_threads() -> str:
    """Say that NumPy's matrix product is not known to use threads; "" where it does, with OpenBLAS or MKL.

    That library's name is the one that NumPy was built with. For the ``needs`` of a claim.
    """
    settings = cast(dict[str, Any], np.show_config(mode="dicts"))
    name = str(settings.get("Build Dependencies", {}).get("blas", {}).get("name", "")).lower()
    return "" if "openblas" in name or "mkl" in name else "needs NumPy with OpenBLAS or MKL"


def pi_sum_numpy(terms: int = 400_000) -> float:
    """Return pi by ``jobs.pi_sum``'s series; each step is one NumPy call for all terms, 8 bytes a term."""
    checks.whole(terms=terms)
    k = np.arange(terms)
    return float(((4.0 - k % 2 * 8.0) / (2 * k + 1)).sum())


def pi_sum_compiled(terms: int = 400_000, tick: Tick = _no_tick) -> float:
    """Return what ``jobs.pi_sum`` does, by machine code that releases the GIL while it adds.

    It comes back to Python, and so to the GIL, for a moment every 100,000 terms. Raises RuntimeError where
    Numba is missing.
    """
    return _in_pieces(_without_gil, terms, tick)


def pi_sum_in_one_piece(terms: int) -> float:
    """Return what ``pi_sum_compiled`` does, without coming back to Python in between."""
    checks.whole(terms=terms)
    return _without_gil(0.0, 0, terms)


def pi_sum_compiled_with_gil(terms: int = 400_000, tick: Tick = _no_tick) -> float:
    """Return what ``pi_sum_compiled`` does, by the same machine code, but keep the GIL while it adds."""
    return _in_pieces(_with_gil, terms, tick)


def _in_pieces(add: Piece, terms: int, tick: Tick) -> float:
    checks.whole(terms=terms)
    total = 0.0
    for first in range(0, terms, _PIECE):
        total = add(total, first, min(first + _PIECE, terms))
        tick()
    return total


def _machine_code(*, nogil: bool) -> Callable[[Piece], Piece]:
    """Return a decorator that puts machine code in the place of a function.

    As its signature is given, it is compiled now and not at the first call.
    """
    signature = "float64(float64, int64, int64)"

    def compiled(function: Piece) -> Piece:
        if not njit:
            return _nothing_compiled
        try:
            return cast(Piece, njit(signature, nogil=nogil, cache=True)(function))
        except (OSError, RuntimeError):  # no folder to keep it in: compile it at every import
            return cast(Piece, njit(signature, nogil=nogil)(function))

    return compiled


def _nothing_compiled(total: float, first: int, end: int) -> float:
    raise RuntimeError(lacks())


@_machine_code(nogil=True)
def _without_gil(total: float, first: int, end: int) -> float:
    for k in range(first, end):
        total += (4.0 - k % 2 * 8.0) / (2 * k + 1)
    return total


# A function of its own: Numba keeps the machine code by function, whatever its nogil. Only Python's way in
# releases the GIL; a call from machine code does not.
@_machine_code(nogil=False)
def _with_gil(total: float, first: int, end: int) -> float:
    return _without_gil(total, first, end)
